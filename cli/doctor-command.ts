import process from "node:process";
import { Arguments } from "./arguments.ts";
import { type Command, ExitCode, UsageError } from "./command.ts";
import { callerOf, CONNECTION_OPTIONS, keyOf } from "./cluster-caller.ts";
import type { Diagnosis } from "./doctor/diagnosis.ts";
import { checkNodes, checkSecret } from "./doctor/nodes.ts";
import { checkPage } from "./doctor/page.ts";
import { checkEtcd, checkRedis } from "./doctor/storage.ts";
import { Output } from "./output.ts";

const HELP = `Usage: npx meshsocket doctor [--redis URL] [--etcd URL,URL] [--url URL] [--page URL]

Looks for what is wrong with a deployment, and says what to change. It changes nothing. Give it what you have:

  option         variable            looks at
  --redis        REDIS_URL           the storage: reachable, right version, no eviction, not a replica, persistence, replicas
  --redis-token                      the token of a Redis over HTTP, if --redis is an https URL
  --etcd                             the same of etcd; several endpoints with commas
  --prefix                           the prefix of the cluster in the storage; default websocket
  --url          MESHSOCKET_URL      the nodes: ready, lease, clocks, versions, advertised addresses dialled from here
  --key          MESHSOCKET_KEY      the key for --url, or MESHSOCKET_SECRET; with that one also how long it is
  --page                             the public URL of the WebSockets, through your proxies, such as wss://example.com/ws
  --json                             all findings as JSON

  REDIS_URL=redis://10.0.0.2:6379 npx meshsocket doctor --url http://10.0.0.5:8081 --page wss://example.com/ws

Exit code 3 if something is wrong; notes alone are 0. The words are those of the nodes' own log: docs/wrong-clusters.md.`;

/** `npx meshsocket doctor`. */
export const doctorCommand: Command = {
  help: HELP,
  async run(args, environment) {
    const kinds = {
      ...CONNECTION_OPTIONS,
      redis: "value",
      "redis-token": "value",
      etcd: "value",
      prefix: "value",
      page: "value",
    } as const;
    const given = new Arguments(args, environment, kinds);
    const output = new Output(given.flag("json"));
    const checks = checksOf(given);
    if (checks.length === 0) throw new UsageError("give it something to look at: --redis, --etcd, --url or --page");
    const findings: Diagnosis[] = [];
    for (const one of checks) {
      if (output.live) output.progress(output.faint(`looking at ${one.what} …`));
      findings.push(...(await one.check()));
    }
    output.answer(findings, () => findings.map((finding) => lineOf(finding, output)).join("\n"));
    if (findings.some(({ level }) => level === "wrong")) process.exitCode = ExitCode.No;
  },
};

interface Check {
  readonly what: string;
  check(): Promise<Diagnosis[]>;
}

function checksOf(given: Arguments): Check[] {
  const checks: Check[] = [];
  const prefix = given.value("prefix") ?? "websocket";
  const redis = given.value("redis", "REDIS_URL");
  if (redis !== undefined) {
    checks.push({ what: "the storage", check: () => checkRedis(redis, given.value("redis-token"), prefix) });
  }
  const etcd = given.value("etcd");
  if (etcd !== undefined) checks.push({ what: "the storage", check: () => checkEtcd(etcd.split(","), prefix) });
  const secret = given.environment["MESHSOCKET_SECRET"] || undefined;
  if (secret !== undefined && keyOf(given) === secret) {
    checks.push({ what: "the secret", check: async () => [checkSecret(secret)] });
  }
  if (given.value("url", "MESHSOCKET_URL") !== undefined) {
    const connection = callerOf(given);
    checks.push({ what: "the nodes", check: () => checkNodes(connection) });
  }
  const page = given.value("page");
  if (page !== undefined) checks.push({ what: "the way of a page", check: async () => [await checkPage(page)] });
  return checks;
}

function lineOf({ check, level, text, fix }: Diagnosis, output: Output): string {
  if (level === "ok") return `${output.good("ok   ")} ${check.padEnd(9)} ${text}`;
  const mark = level === "wrong" ? output.bad("wrong") : output.strong("note ");
  return `${mark} ${check.padEnd(9)} ${text}\n${" ".repeat(16)}→ ${fix}`;
}
