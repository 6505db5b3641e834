/** The files of deploy/ against a cluster that a real Prometheus scrapes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { CLOSE_CODES, ERROR_CODES, LOST_REASONS, REFUSAL_REASONS, STATUSES } from "../../src/metrics/labels.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { root } from "../../tools/run.ts";
import { TestClient } from "../kit/client.ts";
import { killPrograms } from "../kit/program.ts";
import { startPrometheus } from "../kit/prometheus.ts";
import { promtool, samplesOf, type ScrapedSample } from "../kit/promtool.ts";
import { loadServe } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

after(killPrograms);

const serve = await loadServe();
const TOKEN = "a token of the scrape";

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
}

const dashboard = JSON.parse(readFileSync(join(root, "deploy/grafana/meshsocket.json"), "utf8")) as Dashboard;
const alerts = readFileSync(join(root, "deploy/prometheus/alerts.yml"), "utf8");

/** The expressions of the panels, as Grafana would send them. */
const panelExpressions: readonly string[] = dashboard.panels.flatMap(({ targets = [] }) =>
  targets.map(({ expr }) => expr.replaceAll(/\$(?:job|instance)/g, ".*").replaceAll("$__rate_interval", "1m"))
);
const alertExpressions: readonly string[] = [...alerts.matchAll(/^ +expr: (?:\|\n((?: {10,}.*\n)+)|(.*)$)/gm)].map(
  ([, block = "", line = ""]) => (block || line).trim(),
);

async function startNode(storage: Storage): Promise<Server> {
  const hub = new DistHub({ storage, logger: silentLogger });
  return await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    rpc: { hostname: "127.0.0.1" },
    metrics: { token: TOKEN },
    session: (request) => ({
      id: new URL(request.url).searchParams.get("id") ?? undefined,
      onConnect: (client) => client.subscribe("news"),
      onEvent: (client, message) => void client.publish("news", message),
    }),
  });
}

async function scrape({ url }: Server): Promise<ScrapedSample[]> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  return samplesOf(await response.text());
}

/** The values that a label may have besides those of a scrape. */
const CLOSED_SETS: Readonly<Record<string, readonly string[]>> = {
  status: STATUSES,
  reason: [...REFUSAL_REASONS, ...LOST_REASONS],
  result: ["ok", "missed", "partial", ...ERROR_CODES],
  code: [...CLOSE_CODES, ...ERROR_CODES],
  state: ["connected", "away"],
};

/** The metrics, labels and values that an expression names and a scrape does not have. */
function unknownIn(expression: string, samples: readonly ScrapedSample[]): string[] {
  const wrong: string[] = [];
  for (const [, name = "", matchers = ""] of expression.matchAll(/\b(meshsocket_\w+)(?:\{([^}]*)\})?/g)) {
    const own = samples.filter((sample) => sample.name === name);
    if (own.length === 0) wrong.push(name);
    for (const [, label = "", values = ""] of matchers.matchAll(/(\w+)(?:=~|!=|=)"([^"]*)"/g)) {
      if (label === "job" || label === "instance") continue;
      if (!own.some(({ labels }) => label in labels)) wrong.push(`${name}{${label}}`);
      const unknown = values.split("|").filter((value) => CLOSED_SETS[label]?.includes(value) !== true);
      wrong.push(...unknown.map((value) => `${name}{${label}="${value}"}`));
    }
  }
  for (const [, label = ""] of expression.matchAll(/\bby \(([^)]*)\)/g)) {
    for (const one of label.split(/, */)) {
      const known = ["job", "instance"].includes(one) || samples.some(({ labels }) => one in labels);
      if (!known) wrong.push(`by (${one})`);
    }
  }
  return wrong;
}

test("deploy: each metric and label of the dashboard and the alerts is in a scrape, and Prometheus runs each expression", async () => {
  promtool(["check", "rules", join(root, "deploy/prometheus/alerts.yml")]);
  promtool(["check", "config", join(root, "deploy/prometheus/prometheus.yml")]);
  const storage = new MemoryStorage();
  await using one = await startNode(storage);
  await using other = await startNode(storage);
  const alice = await TestClient.open(`ws://127.0.0.1:${one.port}/?id=alice`);
  const bob = await TestClient.open(`ws://127.0.0.1:${other.port}/?id=bob`);
  alice.send("hello");
  assert.equal(await bob.next(), "hello");
  const host = (server: Server): string => `127.0.0.1:${server.port}`;
  await using prometheus = await startPrometheus([host(one), host(other)], TOKEN);
  const samples = [...await scrape(one), ...await scrape(other)];
  const expressions = [...alertExpressions, ...panelExpressions];
  assert.ok(alertExpressions.length >= 13 && panelExpressions.length >= 40, String(expressions.length));
  assert.deepEqual(expressions.flatMap((expression) => unknownIn(expression, samples)), []);
  for (const expression of expressions) await prometheus.query(expression);
  const named = new Set(
    expressions.join(" ").match(/meshsocket_\w+/g)?.map((name) => name.replace(/_(?:bucket|sum|count)$/, "")),
  );
  const all = new Set(samples.map(({ name }) => name.replace(/_(?:bucket|sum|count)$/, "")));
  assert.deepEqual([...all].filter((name) => !named.has(name)), [], "a metric that no panel shows");
  const [clients] = await prometheus.query('sum(meshsocket_clients{state="connected"})');
  assert.equal(clients?.value[1], "2");
  assert.deepEqual(await prometheus.alerts(), []);
  await alice.close();
  await bob.close();
});

test("deploy: a node that is not ready is an alert", async () => {
  const storage = new MemoryStorage();
  await using node = await startNode(storage);
  await using prometheus = await startPrometheus([`127.0.0.1:${node.port}`], TOKEN);
  const closing = node.close({ announceMs: 8_000 });
  await until("the alert", async () => (await prometheus.alerts()).includes("MeshsocketNodeNotReady"));
  await closing;
});

test("deploy: an unknown metric, label and value are found", () => {
  const samples = samplesOf('meshsocket_status{status="ready"} 1\n');
  assert.deepEqual(unknownIn('sum by (planet) (meshsocket_status{status="fine", x="y"}) + meshsocket_gone', samples), [
    'meshsocket_status{status="fine"}',
    "meshsocket_status{x}",
    'meshsocket_status{x="y"}',
    "meshsocket_gone",
    "by (planet)",
  ]);
});
