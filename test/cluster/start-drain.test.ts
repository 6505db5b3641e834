/** Nodes of the starter that are told to end while they are used. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createToken } from "../../src/rpc/token.ts";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { TestClient } from "../kit/client.ts";
import { killPrograms, type Program, startFile } from "../kit/program.ts";
import { RawClient } from "../kit/raw.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const SECRET = "a secret of these tests, over 32 bytes long";
const CLIENTS = 40;
const DRAIN_MS = 1_500;

after(killPrograms);

interface Node extends Program {
  readonly url: string;
  /** Of its RPC. */
  readonly host: string;
}

async function start(redis: TestRedis, drainMs: number): Promise<Node> {
  const env = {
    PORT: "0",
    HOST: "127.0.0.1",
    RPC_HOST: "127.0.0.1",
    MESHSOCKET_STORAGE_URL: redis.url,
    MESHSOCKET_STORAGE_TOKEN: redis.token,
    MESHSOCKET_SECRET: SECRET,
    MESHSOCKET_DRAIN_MS: String(drainMs),
  };
  const program = startFile(runtime, "tools/start.ts", { env });
  const [, url = "", host = ""] = await program.match(/(http:\/\/[\d.:]+) .* node ([\d.:]+) of the cluster/);
  return Object.assign(program, { url, host });
}

async function enter({ url }: Node, name: string): Promise<TestClient> {
  return await TestClient.open(`${url.replace("http", "ws")}/ws?name=${name}`);
}

async function crowd(node: Node): Promise<TestClient[]> {
  return await Promise.all(Array.from({ length: CLIENTS }, (_, index) => enter(node, `client-${index}`)));
}

/** What a client gets from now on. */
function gotBy(client: TestClient): string[] {
  const got: string[] = [];
  client.ws.addEventListener("message", ({ data }: MessageEvent) => void got.push(String(data)));
  return got;
}

test("start: a node that is told to end under load lets nobody in, closes its clients in slices with a hint, loses nothing, and ends with 0", async () => {
  const redis = await startRedis();
  const [leaving, other] = [await start(redis, DRAIN_MS), await start(redis, 0)];
  const clients = await crowd(leaving);
  const got = clients.map(gotBy);
  const token = await createToken({ secret: SECRET, audience: "cluster" });
  const sender = new DistClient({ url: `http://${other.host}`, token });
  const delivered: string[] = [];
  let going = true;
  const sending = (async () => {
    for (let round = 0; going; round++) {
      await Promise.all(clients.map(async (_, index) => {
        const message = `message ${round}`;
        if (await sender.emit(`client-${index}`, message).catch(() => false)) delivered.push(`${index} ${message}`);
      }));
    }
  })();
  await until("the load", () => delivered.length > 2 * CLIENTS);
  const closedAt: number[] = [];
  const closed = Promise.all(clients.map(async (client) => {
    const { code, reason } = await client.closed();
    closedAt.push(performance.now());
    return { code, hint: (JSON.parse(reason) as { retryAfterMs: number }).retryAfterMs };
  }));
  const toldAtMs = performance.now();
  leaving.kill("SIGTERM");
  await until("not to be ready", async () => (await fetch(`${leaving.url}/ready`)).status === 503);
  const raw = await RawClient.connect(Number(new URL(leaving.url).port));
  raw.handshake("/ws?name=late");
  const { status, headers } = await raw.head();
  assert.equal(status, 503);
  assert.ok(Number(headers.get("retry-after")) > 0);
  raw.socket.destroy();
  const ends = await closed;
  assert.ok(ends.every(({ code, hint }) => code === 1012 && hint >= 0 && hint <= DRAIN_MS));
  assert.ok(new Set(ends.map(({ hint }) => hint)).size > CLIENTS / 2, "the hints are spread");
  assert.ok((closedAt.at(-1) ?? 0) - (closedAt[0] ?? 0) > DRAIN_MS / 2, "the slices are spread");
  assert.equal(await leaving.ended, 0);
  assert.ok(performance.now() - toldAtMs < DRAIN_MS + 8_000);
  going = false;
  await sending;
  const lost = delivered.filter((one) => {
    const space = one.indexOf(" ");
    return !got[Number(one.slice(0, space))]?.includes(one.slice(space + 1));
  });
  assert.deepEqual(lost, []);
  assert.equal(await sender.online("client-0"), false);
  other.kill("SIGTERM");
  assert.equal(await other.ended, 0);
  await redis.stop();
});

test("start: a call that is under way when the node is told to end gets its answer", async () => {
  const redis = await startRedis();
  const [leaving, owner] = [await start(redis, DRAIN_MS), await start(redis, 0)];
  const client = await enter(owner, "client");
  const got = gotBy(client);
  const token = await createToken({ secret: SECRET, audience: "cluster" });
  const sender = new DistClient({ url: `http://${leaving.host}`, token });
  await until("the client to be reached", () => sender.emit("client", "before"));
  // The owner stands still: the call is held between the two.
  owner.kill("SIGSTOP");
  const held = sender.emit("client", "held", { timeoutMs: 10_000 });
  assert.equal(await sender.online("nobody"), false);
  leaving.kill("SIGTERM");
  await until("not to be ready", async () => (await fetch(`${leaving.url}/ready`)).status === 503);
  const early = new Promise((resolve) => setTimeout(() => resolve("still there"), DRAIN_MS / 2));
  assert.equal(await Promise.race([early, leaving.ended]), "still there");
  owner.kill("SIGCONT");
  assert.equal(await held, true);
  await until("the message", () => got.includes("held"));
  assert.equal(await leaving.ended, 0);
  owner.kill("SIGTERM");
  assert.equal(await owner.ended, 0);
  await redis.stop();
});

test("start: a second signal ends a node at once that still sends its clients away", async () => {
  const redis = await startRedis();
  const node = await start(redis, 60_000);
  const clients = await crowd(node);
  node.kill("SIGTERM");
  await until("a client to be closed", () => clients.some(({ ws }) => ws.readyState === WebSocket.CLOSED));
  // The same signal within half a second counts as the same key press.
  const again = setInterval(() => node.kill("SIGTERM"), 100);
  assert.equal(await node.ended, 1);
  clearInterval(again);
  const codes = await Promise.all(clients.map(async (client) => (await client.closed()).code));
  assert.ok(codes.includes(1012) && codes.some((code) => code !== 1012), codes.join());
  await redis.stop();
});

test("start: a node that is told to end is announced first: not ready, and still open to clients", async () => {
  const env = { PORT: "0", HOST: "127.0.0.1", MESHSOCKET_ANNOUNCE_MS: "2000", MESHSOCKET_DRAIN_MS: "0" };
  const program = startFile(runtime, "tools/start.ts", { env });
  const [, url = ""] = await program.match(/(http:\/\/[\d.:]+) /);
  const probe = async (): Promise<[number, string]> => {
    const response = await fetch(`${url}/readyz`);
    return [response.status, ((await response.json()) as { status: string }).status];
  };
  assert.deepEqual(await probe(), [200, "ready"]);
  program.kill("SIGTERM");
  await until("the announcement", async () => (await probe())[0] === 503);
  assert.deepEqual(await probe(), [503, "announced"]);
  const client = await TestClient.open(`${url.replace("http", "ws")}/ws?name=late`);
  assert.equal((await client.closed()).code, 1012);
  assert.equal(await program.ended, 0);
});

test("start: health is on, off, or a clear line", async () => {
  const env = { PORT: "0", HOST: "127.0.0.1" };
  const off = startFile(runtime, "tools/start.ts", { env: { ...env, MESHSOCKET_HEALTH: "off" } });
  const [, url = ""] = await off.match(/(http:\/\/[\d.:]+) /);
  assert.equal((await fetch(`${url}/readyz`)).status, 404);
  off.kill("SIGTERM");
  assert.equal(await off.ended, 0);
  const wrong = startFile(runtime, "tools/start.ts", { env: { ...env, MESHSOCKET_HEALTH: "yes" } });
  assert.equal(await wrong.ended, 1);
  assert.match(wrong.output, /MESHSOCKET_HEALTH must be on or off, not "yes"/);
});
