import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { bin, root } from "../../tools/run.ts";
import { TestClient } from "../kit/client.ts";
import { killPrograms, type Program, startFile, startProgram } from "../kit/program.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";

const SECRET = "a secret of these tests, over 32 bytes long";
const ENV = { PORT: "0" };

after(killPrograms);

interface Example {
  name: string;
  start: () => Program;
}

function denoServe(file: string): Program {
  return startProgram(join(bin, "deno"), ["serve", "-A", "--host", "127.0.0.1", "--port", "0", file]);
}

/** One node each, on the runtime that the example is for. */
const SINGLE: readonly Example[] = [
  { name: "single-node.ts", start: () => startFile("node", "examples/single-node.ts", { env: ENV }) },
  { name: "single-bun.ts", start: () => startFile("bun", "examples/single-bun.ts", { env: ENV }) },
  { name: "single-deno.ts", start: () => startFile("deno", "examples/single-deno.ts", { env: ENV }) },
  { name: "attach.ts", start: () => startFile("node", "examples/attach.ts", { env: ENV }) },
  { name: "bun-serve.ts", start: () => startFile("bun", "examples/bun-serve.ts", { env: ENV }) },
  { name: "deno-serve.ts", start: () => denoServe("examples/deno-serve.ts") },
  { name: "hono/node.ts", start: () => startFile("node", "examples/hono/node.ts", { env: ENV }) },
  { name: "hono/bun.ts", start: () => startFile("bun", "examples/hono/bun.ts", { env: ENV }) },
  { name: "hono/deno.ts", start: () => denoServe("examples/hono/deno.ts") },
];

async function urlOf(program: Program): Promise<string> {
  const [, , port = ""] = await program.match(/http:\/\/(127\.0\.0\.1|localhost):(\d+)/);
  return `http://127.0.0.1:${port}`;
}

async function clientOf(url: string, name: string): Promise<TestClient> {
  const client = await TestClient.open(`${url.replace("http", "ws")}/ws?name=${name}`);
  assert.equal(await client.next(), `welcome ${name}`);
  return client;
}

async function stop(program: Program): Promise<void> {
  program.kill();
  await program.ended;
}

for (const { name, start } of SINGLE) {
  test(`examples/${name}: a message goes from one client to the other`, async () => {
    const program = start();
    const url = await urlOf(program);
    const [ann, ben] = [await clientOf(url, "ann"), await clientOf(url, "ben")];
    ann.send("hello");
    assert.equal(await ben.next(), "hello");
    assert.equal(await (await fetch(url)).text(), "your app");
    await Promise.all([ann.close(), ben.close()]);
    await stop(program);
  });
}

for (const { name, start } of SINGLE.filter((example) => example.name.startsWith("hono/"))) {
  test(`examples/${name}: middleware refuses, and a route sends`, async () => {
    const program = start();
    const url = await urlOf(program);
    await assert.rejects(TestClient.open(`${url.replace("http", "ws")}/ws`));
    const ann = await clientOf(url, "ann");
    const sent = await fetch(`${url}/notify/ann`, { method: "POST", body: "hi" });
    assert.deepEqual(await sent.json(), { accepted: true });
    assert.equal(await ann.next(), "hi");
    assert.equal((await fetch(`${url}/notify/nobody`, { method: "POST", body: "hi" })).status, 404);
    await ann.close();
    await stop(program);
  });
}

test("examples: a single node takes fewer than 20 lines", () => {
  for (const name of ["single-node.ts", "single-bun.ts", "single-deno.ts"]) {
    assert.ok(readFileSync(join(root, "examples", name), "utf8").split("\n").length - 1 < 20, name);
  }
});

interface ExampleNode extends Program {
  readonly url: string;
  readonly host: string;
  /** The settings of the cluster. */
  readonly env: Record<string, string>;
}

/** A node of examples/distributed.ts. */
async function startDistributed(redis: TestRedis): Promise<ExampleNode> {
  const env = {
    MESHSOCKET_STORAGE_URL: redis.url,
    MESHSOCKET_STORAGE_TOKEN: redis.token,
    MESHSOCKET_SECRET: SECRET,
  };
  const program = startFile("node", "examples/distributed.ts", { env: { ...ENV, ...env } });
  const [, host = ""] = await program.match(/node (127\.0\.0\.1:\d+)/);
  return Object.assign(program, { url: await urlOf(program), host, env });
}

async function withCluster(body: (one: ExampleNode, two: ExampleNode) => Promise<void>): Promise<void> {
  const redis = await startRedis();
  try {
    const [one, two] = await Promise.all([startDistributed(redis), startDistributed(redis)]);
    await body(one, two);
    for (const node of [one, two]) node.kill("SIGTERM");
    assert.deepEqual(await Promise.all([one.ended, two.ended]), [0, 0]);
  } finally {
    await redis.stop();
  }
}

test("examples/distributed.ts: messages cross between two nodes, to one id and to everyone", async () => {
  await withCluster(async (one, two) => {
    const [ann, ben] = [await clientOf(one.url, "ann"), await clientOf(two.url, "ben")];
    ann.send("@ben hello");
    assert.equal(await ben.next(), "hello");
    ben.send("to everyone");
    assert.equal(await ann.next(), "to everyone");
    ann.send("@nobody hello");
    assert.equal(await ann.next(), "nobody is not connected");
  });
});

test("examples/cron.ts: sends to a client of the cluster and ends by itself within a second, on each runtime", async () => {
  await withCluster(async (one, two) => {
    const ann = await clientOf(two.url, "ann");
    const env = { ...ENV, ...one.env };
    for (const runtime of ["node", "bun", "deno"] as const) {
      for (const [id, printed] of [["ann", /ann has it/], ["nobody", /nobody is not connected/]] as const) {
        const job = startFile(runtime, "examples/cron.ts", { env, args: [id, `from ${runtime}`] });
        await job.match(printed);
        const sentAtMs = performance.now();
        assert.equal(await job.ended, 0, job.output);
        assert.ok(performance.now() - sentAtMs < 1_000, `${runtime} ended late`);
      }
      assert.equal(await ann.next(), `from ${runtime}`);
    }
    await ann.close();
  });
});

test("examples/edge: a worker in workerd sends to a client of the cluster", async () => {
  await withCluster(async (one, two) => {
    const ann = await clientOf(two.url, "ann");
    // Through the public port of a node that does not hold the client, and through an RPC port.
    for (const url of [one.url, `http://${one.host}`]) {
      const env = { ...ENV, MESHSOCKET_URL: url, MESHSOCKET_SECRET: SECRET };
      const edge = startFile("node", "examples/edge/run.ts", { env });
      const edgeUrl = await urlOf(edge);
      const sent = await fetch(`${edgeUrl}/ann`, { method: "POST", body: "from the edge" });
      assert.deepEqual(await sent.json(), { accepted: true });
      assert.equal(await ann.next(), "from the edge");
      const lost = await fetch(`${edgeUrl}/nobody`, { method: "POST", body: "from the edge" });
      assert.deepEqual([lost.status, await lost.json()], [404, { accepted: false }]);
      edge.kill("SIGTERM");
      await edge.ended;
    }
    await ann.close();
  });
});

test("examples/grpc-backend.ts: plain gRPC with the secret's token reaches a client through any node", async () => {
  await withCluster(async (one, two) => {
    const [ann, ben] = [await clientOf(two.url, "ann"), await clientOf(two.url, "ben")];
    const args = ["examples/grpc-backend.ts", "ann", "from the back-end"];
    const env = { RPC_HOST: one.host, MESHSOCKET_SECRET: SECRET };
    const backEnd = startProgram(join(bin, "node"), args, { env });
    assert.equal(await backEnd.ended, 0, backEnd.output);
    assert.match(backEnd.output, /^online \{ online: true \}$/m);
    assert.match(backEnd.output, /^emit \{ accepted: true \}$/m);
    for (const { host } of [one, two]) assert.ok(backEnd.output.includes(`host: '${host}'`), backEnd.output);
    assert.equal(await ann.next(), "from the back-end");
    assert.equal(await ben.next(), "everybody heard");
    const stranger = startProgram(join(bin, "node"), args, { env: { ...env, MESHSOCKET_SECRET: "another" } });
    assert.notEqual(await stranger.ended, 0);
    assert.match(stranger.output, /UNAUTHENTICATED/);
    await Promise.all([ann.close(), ben.close()]);
  });
});
