import assert from "node:assert/strict";
import process from "node:process";
import { after, test } from "node:test";
import { bin } from "../../tools/run.ts";
import { startBrowser } from "../kit/browser.ts";
import { TestClient } from "../kit/client.ts";
import { killPrograms, type Program, type ProgramOptions, startFile, startProgram } from "../kit/program.ts";
import { RawClient } from "../kit/raw.ts";
import { startRedis, startRedisServer } from "../kit/redis.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const LOOPBACK = { PORT: "0", HOST: "127.0.0.1" };

after(killPrograms);

interface Started extends Program {
  readonly url: string;
}

/** A node with the chat page, on the runtime of this test. */
async function start(env: Record<string, string> = {}): Promise<Started> {
  return await withUrl(startFile(runtime, "tools/start.ts", { env: { ...LOOPBACK, ...env } }));
}

async function withUrl(program: Program): Promise<Started> {
  const [url] = await program.match(/http:\/\/[\d.:]+/);
  return Object.assign(program, { url });
}

async function endOf(program: Program, signal: NodeJS.Signals): Promise<number | string> {
  program.kill(signal);
  return await program.ended;
}

async function chatOn({ url }: Started, name: string): Promise<TestClient> {
  const client = await TestClient.open(`${url.replace("http", "ws")}/ws?name=${name}`);
  await nextOf(client, "welcome");
  return client;
}

async function messageOf(client: TestClient): Promise<{ type: string; [key: string]: unknown }> {
  return JSON.parse(String(await client.next())) as { type: string };
}

/** The next message of a type. */
async function nextOf(client: TestClient, type: string): Promise<Record<string, unknown>> {
  for (;;) {
    const message = await messageOf(client);
    if (message.type === type) return message;
  }
}

const COMMANDS: readonly (readonly [line: string, program: string, args: readonly string[], name: string])[] = [
  ["npm start", "npm", ["start"], "Node"],
  ["bun run start", `${bin}/bun`, ["run", "start"], "Bun"],
  ["deno task serve", `${bin}/deno`, ["task", "serve"], "Deno"],
];

for (const [line, command, args, name] of COMMANDS) {
  test(`start: "${line}" serves the page on ${name}, and a signal ends all of it with 0`, async () => {
    const options: ProgramOptions = { env: LOOPBACK, group: true };
    const program = await withUrl(startProgram(command, args, options));
    assert.match(
      program.output,
      new RegExp(`${program.url} on ${name} \\d+\\.\\d+\\.\\d+, listening on 127\\.0\\.0\\.1`),
    );
    const page = await fetch(program.url);
    assert.match(await page.text(), /<title>meshsocket chat<\/title>/);
    process.kill(program.pid, "SIGTERM");
    assert.equal(await program.ended, 0);
    assert.throws(() => program.kill(), { code: "ESRCH" });
  });
}

test("start: /ready answers 200, what is no part of the page 404", async () => {
  const node = await start();
  const ready = await fetch(`${node.url}/ready`);
  assert.equal(ready.status, 200);
  assert.equal(await ready.text(), "ready\n");
  assert.equal((await fetch(`${node.url}/chat.ts`)).status, 404);
  assert.equal((await fetch(`${node.url}/../package.json`)).status, 404);
  assert.equal(await endOf(node, "SIGINT"), 0);
});

test("start: clients are told to come back when the node ends, and it ends with 0", async () => {
  const node = await start();
  const client = await chatOn(node, "ann");
  node.kill("SIGTERM");
  assert.equal((await client.closed()).code, 1012);
  assert.equal(await node.ended, 0);
});

test("start: a second signal ends at once what does not end in order", async () => {
  const program = startFile(runtime, "test/kit/stop-child.ts");
  await program.match(/^up/);
  program.kill("SIGTERM");
  await program.match(/^ending/m);
  // The same signal within half a second counts as the same key press.
  const again = setInterval(() => program.kill("SIGINT"), 100);
  assert.equal(await program.ended, 1);
  clearInterval(again);
});

test("start: /ready answers 503 while the storage is away", async () => {
  const redis = await startRedis();
  const node = await start({
    MESHSOCKET_STORAGE_URL: redis.url,
    MESHSOCKET_STORAGE_TOKEN: redis.token,
    MESHSOCKET_LEASE_MS: "600",
    RPC_HOST: "127.0.0.1",
  });
  assert.equal((await fetch(`${node.url}/ready`)).status, 200);
  await redis.stop();
  await until("/ready to answer 503", async () => (await fetch(`${node.url}/ready`)).status === 503);
  assert.equal(await endOf(node, "SIGTERM"), 0);
});

test("start: the page connects again by itself when its node comes back", async () => {
  const browser = await startBrowser();
  const first = await start();
  const page = await browser.newPage();
  await page.goto(`${first.url}/?name=ann`);
  await page.locator('#state[data-state="connected"]').waitFor();
  assert.equal(await endOf(first, "SIGTERM"), 0);
  await page.locator('#state[data-state="connecting"]').waitFor();
  const second = await start({ PORT: new URL(first.url).port });
  await page.locator('#state[data-state="connected"]').waitFor();
  await browser.close();
  assert.equal(await endOf(second, "SIGTERM"), 0);
});

test("start: nodes with the same storage are one cluster", async () => {
  const redis = await startRedis();
  const cluster = {
    MESHSOCKET_STORAGE_URL: redis.url,
    MESHSOCKET_STORAGE_TOKEN: redis.token,
    MESHSOCKET_SECRET: "a secret of these tests, over 32 bytes long",
    RPC_HOST: "127.0.0.1",
  };
  const { MESHSOCKET_STORAGE_URL: url, MESHSOCKET_STORAGE_TOKEN: token, ...rest } = cluster;
  const one = await start(cluster);
  const two = await start({ ...rest, UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token });
  assert.match(one.output, /, node 127\.0\.0\.1:\d+ of the cluster/);
  const [ann, ben] = [await chatOn(one, "ann"), await chatOn(two, "ben")];
  ann.send(JSON.stringify({ type: "say", text: "hello" }));
  assert.deepEqual(await nextOf(ben, "said"), { type: "said", from: "ann", text: "hello", direct: false });
  ben.send(JSON.stringify({ type: "who" }));
  const { nodes } = (await nextOf(ben, "who")) as { nodes: { ids: string[] }[] };
  assert.deepEqual(nodes.map(({ ids }) => ids.join()).toSorted(), ["ann", "ben"]);
  assert.deepEqual(await Promise.all([endOf(one, "SIGTERM"), endOf(two, "SIGTERM")]), [0, 0]);
  await redis.stop();
});

test("start: nodes with the same redis:// URL are one cluster", async () => {
  const redis = await startRedisServer();
  const cluster = {
    MESHSOCKET_STORAGE_URL: `redis://127.0.0.1:${redis.port}`,
    MESHSOCKET_SECRET: "a secret of these tests, over 32 bytes long",
    RPC_HOST: "127.0.0.1",
  };
  const [one, two] = [await start(cluster), await start(cluster)];
  const [ann, ben] = [await chatOn(one, "ann"), await chatOn(two, "ben")];
  ann.send(JSON.stringify({ type: "say", text: "hello" }));
  assert.deepEqual(await nextOf(ben, "said"), { type: "said", from: "ann", text: "hello", direct: false });
  assert.deepEqual(await Promise.all([endOf(one, "SIGTERM"), endOf(two, "SIGTERM")]), [0, 0]);
  await redis.stop();
});

test("start: a message that the chat does not know is answered, and a name that is none refused", async () => {
  const node = await start();
  const ann = await chatOn(node, "ann");
  for (const message of ["{", "null", '{"type":"say"}', '{"type":"to","text":"x"}', '{"type":"say","text":""}']) {
    ann.send(message);
    assert.equal((await nextOf(ann, "failed"))["why"], "the message is not one of this chat");
  }
  const raw = await RawClient.connect(Number(new URL(node.url).port));
  raw.handshake(`/ws?name=${"x".repeat(33)}`);
  assert.equal((await raw.head()).status, 400);
  raw.socket.destroy();
  assert.equal(await endOf(node, "SIGTERM"), 0);
});

const STORAGE = { MESHSOCKET_STORAGE_URL: "http://127.0.0.1:1", MESHSOCKET_STORAGE_TOKEN: "token" };

const BAD: readonly (readonly [what: string, env: Record<string, string>, says: RegExp])[] = [
  ["a PORT that is no number", { PORT: "80a" }, /PORT must be a whole number from 0 to 65535, not "80a"/],
  ["a PORT that is none", { PORT: "65536" }, /PORT must be a whole number/],
  ["a HOST that is not of this machine", { HOST: "192.0.2.1" }, /192\.0\.2\.1/],
  ["an RPC_PORT without a storage", { RPC_PORT: "8081" }, /RPC_PORT goes with a cluster: set MESHSOCKET_STORAGE_URL/],
  [
    "a storage that is no URL",
    { ...STORAGE, MESHSOCKET_STORAGE_URL: "redis" },
    /MESHSOCKET_STORAGE_URL must be a URL that begins with redis:/,
  ],
  ["a storage without a token", { ...STORAGE, MESHSOCKET_STORAGE_TOKEN: "" }, /MESHSOCKET_STORAGE_TOKEN must be set/],
  ["a storage that does not answer", STORAGE, /storage cannot be reached/],
  ["an ADVERTISE without a port", { ...STORAGE, ADVERTISE: "10.0.0.5" }, /ADVERTISE must be host:port/],
  ["an open RPC_HOST without a secret", { ...STORAGE, RPC_HOST: "0.0.0.0" }, /open on 0\.0\.0\.0 without a secret/],
  ["a lease that is too short", { ...STORAGE, MESHSOCKET_LEASE_MS: "1" }, /MESHSOCKET_LEASE_MS must be a whole/],
];

for (const [what, env, says] of BAD) {
  test(`start: ${what} is told in one line`, async () => {
    const program = startFile(runtime, "tools/start.ts", { env: { ...LOOPBACK, ...env } });
    assert.equal(await program.ended, 1);
    assert.match(program.output, says);
    assert.match(program.output, /^meshsocket cannot start: [^\n]+\n$/);
  });
}
