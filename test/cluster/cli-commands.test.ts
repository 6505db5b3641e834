/** Every command of `npx meshsocket` that asks a node, from the package as npm packs it, against two nodes on real ports. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { ApiKey } from "../../src/rpc/access.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { TestClient } from "../kit/client.ts";
import { freePort } from "../kit/free-port.ts";
import { installPacked, type PackedPackage } from "../kit/packed-package.ts";
import { killPrograms, type Program, startFile } from "../kit/program.ts";
import { startRedisServer } from "../kit/redis.ts";
import { runtime } from "../kit/runtime.ts";
import { loadServe } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

const SECRET = "a secret of more than thirty-two bytes";
const READ_KEY = "a read-only key of more than thirty-two bytes";

let installed: PackedPackage;
const storage = new MemoryStorage();
const nodes: TestNode[] = [];

interface TestNode {
  readonly hub: DistHub;
  readonly server: Server;
  readonly host: string;
}

before(async () => {
  installed = await installPacked();
  for (const dependency of ["redis", "@redis/client"]) installed.link(dependency);
  nodes.push(await startNode(), await startNode());
});

after(async () => {
  await killPrograms();
  await Promise.all(nodes.map(({ server }) => server.close()));
  installed.remove();
});

async function startNode(): Promise<TestNode> {
  const serve = await loadServe();
  const apiKeys: ApiKey[] = [{ secret: READ_KEY, rights: ["read"] }];
  const hub = new DistHub({ storage, secret: SECRET, apiKeys, logger: silentLogger });
  const server = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    rpc: { hostname: "127.0.0.1" },
    session: (request) => ({
      id: new URL(request.url).searchParams.get("id") ?? undefined,
      info: { from: "test" },
      onConnect: (client) => client.subscribe("news"),
    }),
  });
  return { hub, server, host: server.rpc?.host ?? "" };
}

function node(at: 0 | 1): TestNode {
  const found = nodes[at];
  if (!found) throw new Error("the nodes did not start");
  return found;
}

function cli(args: readonly string[], env: Record<string, string> = {}): Program {
  const url = `http://${node(0).host}`;
  return startFile(runtime, installed.main, {
    args,
    env: { MESHSOCKET_URL: url, MESHSOCKET_SECRET: SECRET, ...env },
  });
}

async function outcome(
  args: readonly string[],
  env?: Record<string, string>,
): Promise<[code: unknown, output: string]> {
  const program = cli(args, env);
  return [await program.ended, program.output];
}

async function answerOf<Answer>(args: readonly string[], code = 0): Promise<Answer> {
  const [ended, output] = await outcome([...args, "--json"]);
  assert.equal(ended, code, output);
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as Answer;
}

async function connect(id: string): Promise<TestClient> {
  const client = await TestClient.open(`${node(1).server.url.replace("http", "ws")}/?id=${id}`);
  await until(`${id} to listen`, () => node(1).hub.client(id)?.topics.has("news") === true);
  return client;
}

test("nodes shows both nodes, for people and for programs", async () => {
  const [code, output] = await outcome(["nodes"]);
  assert.equal(code, 0, output);
  for (const { host } of nodes) assert.match(output, new RegExp(`^${host} +ready`, "m"));
  assert.ok(!output.includes("\u001b"), "no colours without a terminal");
  const found = await answerOf<{ host: string; state: { status: string; leaseMs: number } }[]>(["nodes"]);
  assert.deepEqual(found.map(({ host, state }) => [host, state.status, state.leaseMs]), [
    [node(0).host, "ready", 15_000],
    [node(1).host, "ready", 15_000],
  ]);
});

test("emit sends to a client of the other node, and says so if there is none", async () => {
  const client = await connect("alice");
  const [code, output] = await outcome(["emit", "alice", "hi"]);
  assert.deepEqual([code, output], [0, "accepted for alice\n"]);
  assert.equal(await client.next(), "hi");
  assert.equal((await answerOf<{ accepted: boolean }>(["emit", "alice", "AQI=", "--base64"])).accepted, true);
  assert.deepEqual([...(await client.next() as Uint8Array)], [1, 2]);
  const [none, told] = await outcome(["emit", "nobody", "hi"]);
  assert.equal(none, 3);
  assert.match(told, /npx meshsocket why nobody/);
  await client.close();
});

test("tap shows a message as it passes, and is gone when its process is killed", async () => {
  const client = await connect("alice");
  const tap = cli(["tap", "alice", "--payloads"]);
  for (const { host } of nodes) await tap.match(new RegExp(`${host} opened`));
  await node(0).hub.emit("alice", "seen");
  await tap.match(/→ alice 4 characters "seen"/);
  const taps = async (): Promise<number> => {
    const found = await answerOf<{ state: { taps: number } }[]>(["nodes"]);
    return found.reduce((sum, { state }) => sum + state.taps, 0);
  };
  assert.equal(await taps(), 2);
  tap.kill("SIGKILL");
  await tap.ended;
  await until("the taps to be gone", async () => await taps() === 0);
  const one = cli(["tap", "--topic", "news", "--count", "1", "--json"]);
  await one.match(/"opened".*\n.*"opened"/);
  await node(0).hub.publish("news", "hello");
  assert.equal(await one.ended, 0);
  assert.match(one.output, /"kind":"published".*"topic":"news".*"bytes":5/);
  await client.close();
});

test("top shows rates from the second look on", async () => {
  const client = await connect("alice");
  const looks = cli(["top", "--count", "2", "--interval", "300", "--json"]);
  assert.equal(await looks.ended, 0, looks.output);
  const rows = JSON.parse(looks.output.trim().split("\n").at(-1) ?? "") as { rates?: { sent: number } }[];
  assert.deepEqual(rows.map(({ rates }) => typeof rates?.sent), ["number", "number"]);
  await client.close();
});

test("publish counts who got it, and members and watch show who listens", async () => {
  const client = await connect("alice");
  const [code, output] = await outcome(["publish", "news", "hi"]);
  assert.deepEqual([code, output], [0, "delivered 1, held 0, dropped 0\n"]);
  assert.equal((await outcome(["publish", "nothing", "hi"]))[0], 3);
  const { members } = await answerOf<{ members: unknown[] }>(["members", "news"]);
  assert.deepEqual(members, [{ id: "alice", info: { from: "test" } }]);
  assert.equal((await outcome(["members", "nothing"]))[0], 3);
  const watch = cli(["watch", "news"]);
  await watch.match(/join {3}alice/);
  await client.close();
  await watch.match(/leave {2}alice/);
  watch.kill("SIGINT");
  assert.equal(await watch.ended, 0);
});

test("why tells of a client, of one that left, and of a topic", async () => {
  const client = await connect("alice");
  assert.match((await outcome(["why", "alice"]))[1], /"alice" is connected to .*\n.*\n[^]*storage {3}127/);
  await client.close(1000, "bye");
  await until("alice to be gone", () => node(1).hub.client("alice") === undefined);
  const [code, output] = await outcome(["why", "alice"]);
  assert.equal(code, 3);
  assert.match(output, /closed it with 1000 \(bye\)/);
  const { findings } = await answerOf<{ findings: { cause: string }[] }>(["why", "--topic", "nothing"], 3);
  assert.equal(findings[0]?.cause, "no_listeners");
});

test("token makes one that opens what its key does", async () => {
  const [code, token] = await outcome(["token"], { MESHSOCKET_KEY: READ_KEY });
  assert.equal(code, 0);
  const env = { MESHSOCKET_TOKEN: token.trim(), MESHSOCKET_SECRET: "" };
  assert.equal((await outcome(["nodes"], env))[0], 0);
  const [denied, told] = await outcome(["emit", "alice", "hi"], env);
  assert.equal(denied, 1);
  assert.match(told, /could not emit: the key does not open it: give it the right "send"/);
});

test("drain follows a node until it has left", async () => {
  const third = await startNode();
  const leaving = cli(["drain", third.host, "--drain", "0"]);
  assert.equal(await leaving.ended, 0, leaving.output);
  assert.match(leaving.output, new RegExp(`${third.host} has left`));
  assert.equal(third.hub.status, "closed");
  const [code, told] = await outcome(["drain", third.host]);
  assert.equal(code, 1);
  assert.match(told, /no node .* lives/);
});

test("dashboard serves its page and its files, and asks for its key", async () => {
  const serving = cli(["dashboard", "--port", "0"], { MESHSOCKET_DASHBOARD_KEY: "a-key-of-the-dashboard" });
  const [, origin = ""] = await serving.match(/(http:\/\/127\.0\.0\.1:\d+)\/#key=a-key-of-the-dashboard/);
  const page = await (await fetch(`${origin}/`)).text();
  const files = [...page.matchAll(/(?:src|href)="([\w-]+\.\w+)"/g)].map(([, path = ""]) => path);
  assert.deepEqual(files, ["uplot.css", "style.css", "uplot.js", "app.js"]);
  for (const path of files) {
    const file = await fetch(`${origin}/${path}`);
    assert.equal(file.status, 200, path);
    await file.body?.cancel();
  }
  const locked = await fetch(`${origin}/api/state`);
  assert.equal(locked.status, 401);
  await locked.body?.cancel();
  const state = await fetch(`${origin}/api/state`, { headers: { authorization: "Bearer a-key-of-the-dashboard" } });
  const found = await state.json() as { nodes: { host: string }[] };
  assert.deepEqual(found.nodes.map(({ host }) => host), nodes.map(({ host }) => host));
  serving.kill("SIGTERM");
  assert.equal(await serving.ended, 0);
});

test("doctor finds nothing wrong with a good cluster", async () => {
  const redis = await startRedisServer();
  const page = `${node(0).server.url.replace("http", "ws")}/`;
  const [code, output] = await outcome(["doctor", "--redis", `redis://127.0.0.1:${redis.port}`, "--page", page]);
  await redis.stop();
  assert.equal(code, 0, output);
  for (const check of ["storage", "secret", "nodes", "clock", "versions", "address", "page"]) {
    assert.match(output, new RegExp(`^ok    ${check}`, "m"));
  }
});

test("doctor says what is wrong, and what to change", async () => {
  const evicting = await startRedisServer(["--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb"]);
  const [code, output] = await outcome(["doctor", "--redis", `redis://127.0.0.1:${evicting.port}`], {
    MESHSOCKET_URL: "http://127.0.0.1:1",
    MESHSOCKET_SECRET: "short",
  });
  await evicting.stop();
  assert.equal(code, 3);
  assert.match(output, /^wrong storage .*allkeys-lru\)\n +→ set maxmemory-policy noeviction/m);
  assert.match(output, /^wrong secret .*\n +→ make one with openssl/m);
  assert.match(output, /^wrong nodes .*127\.0\.0\.1:1 cannot be reached.*\n +→ start the node/m);
  const [gone, told] = await outcome(["doctor", "--page", `ws://127.0.0.1:${await freePort()}/`], {
    MESHSOCKET_URL: "",
  });
  assert.equal(gone, 3);
  assert.match(told, /^wrong page .*ECONNREFUSED/m);
});

const BAD: readonly (readonly [string, readonly string[], Record<string, string>, number, RegExp])[] = [
  ["no URL", ["nodes"], { MESHSOCKET_URL: "" }, 2, /--url http:\/\/10\.0\.0\.5:8081, or MESHSOCKET_URL/],
  ["a bad URL", ["nodes", "--url", "localhost"], {}, 2, /--url must be an http or https URL/],
  ["a missing id", ["emit"], {}, 2, /ID is missing/],
  ["a missing message", ["emit", "alice"], {}, 2, /MESSAGE is missing/],
  ["an argument too many", ["nodes", "all"], {}, 2, /"all" is one argument too many/],
  ["neither id nor topic", ["why"], {}, 2, /ID is missing, or --topic/],
  ["a count that is none", ["top", "--count", "x"], {}, 2, /--count must be a whole number/],
  [
    "nothing to look at",
    ["doctor"],
    { MESHSOCKET_URL: "", MESHSOCKET_SECRET: "" },
    2,
    /--redis, --etcd, --url or --page/,
  ],
  ["nobody there", ["nodes"], { MESHSOCKET_URL: "http://127.0.0.1:1" }, 1, /127\.0\.0\.1:1 cannot be reached/],
  ["another secret", ["nodes"], { MESHSOCKET_SECRET: "x".repeat(40) }, 1, /refused the key.*set MESHSOCKET_KEY/],
  ["no key", ["nodes"], { MESHSOCKET_SECRET: "" }, 1, /refused the key \(none was given.*set MESHSOCKET_KEY/],
];

for (const [what, args, env, code, says] of BAD) {
  test(`${what} is told in a line, with exit code ${code}`, async () => {
    const [ended, output] = await outcome(args, env);
    assert.equal(ended, code, output);
    assert.match(output, says);
    assert.match(output, /^meshsocket: [^\n]+\n(?:meshsocket: npx meshsocket [^\n]*--help tells more\n)?$/);
  });
}
