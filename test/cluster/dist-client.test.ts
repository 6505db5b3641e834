/** Senders that hold no connections: through a node's RPC port, through its public port, and straight to the owners. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { DistClientOptions } from "../../src/distributed/client-options.ts";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { createToken } from "../../src/rpc/token.ts";
import { TestClient } from "../kit/client.ts";
import { NODE_RUNTIMES, type NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster, SECRET } from "../kit/process-cluster.ts";
import { withCode } from "../kit/storage.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { V1_PROTOCOL } from "../../src/wire/v1.ts";

let cluster: ProcessCluster;

before(async () => {
  cluster = await ProcessCluster.start({ publicRpc: true });
});

after(async () => {
  await cluster.close();
});

const token = (): Promise<string> => createToken({ secret: SECRET, audience: "cluster" });

/** How a client reaches the cluster; `node` is the one whose runtime the test names. */
const WAYS: readonly { name: string; options(node: NodeProcess): DistClientOptions }[] = [
  { name: "through the RPC port", options: ({ host }) => ({ url: `http://${host}`, token }) },
  { name: "with the secret, through the RPC port", options: ({ host }) => ({ url: `http://${host}`, secret: SECRET }) },
  { name: "through the public port", options: ({ url }) => ({ url, token }) },
  {
    name: "straight to the owner",
    options: () => ({ storage: new RedisStorage(cluster.redis.target, "cluster"), secret: SECRET }),
  },
];

for (const runtime of NODE_RUNTIMES) {
  for (const way of WAYS) {
    const name = `a DistClient ${way.name} on ${runtime}`;

    test(`${name}: every verb reaches a client of that node and of another`, async () => {
      const node = cluster.on(runtime);
      using sender = new DistClient(way.options(node));
      for (
        const owner of [
          node,
          ...cluster.nodes.map((each) => each.node).filter((each) => each !== node).slice(0, 1),
        ]
      ) {
        const id = `${name} ${owner.runtime}`;
        const client = await owner.connect(id);
        assert.equal(await sender.online(id), true);
        assert.equal(await sender.emit(id, "text é😀"), true);
        assert.equal(await sender.emit(id, new Uint8Array([0, 255])), true);
        assert.deepEqual(await sender.broadcast("all"), { delivered: 1, held: 0, dropped: 0, unreachable: [] });
        assert.equal((await sender.broadcast("none", { except: [id] })).delivered, 0);
        assert.equal(await sender.subscribe(id, id), true);
        assert.deepEqual((await sender.members(id)).ids, [id]);
        assert.deepEqual(await sender.publish(id, "news"), { delivered: 1, held: 0, dropped: 0, unreachable: [] });
        assert.equal(await sender.unsubscribe(id, id), true);
        assert.equal((await sender.publish(id, "news")).delivered, 0);
        const got = [await client.next(), await client.next(), await client.next(), await client.next()];
        assert.deepEqual(got, ["text é😀", new Uint8Array([0, 255]), "all", "news"]);
        assert.equal(await sender.disconnect(id, 4001, "bye"), true);
        assert.deepEqual(await client.closed(), { code: 4001, reason: "bye" });
        assert.equal(await sender.online(id), false);
      }
    });

    test(`${name}: a client of that node and of another confirms a message, and one that cannot says so`, async () => {
      const node = cluster.on(runtime);
      using sender = new DistClient({ ...way.options(node), logger: silentLogger });
      const others = cluster.nodes.map((each) => each.node).filter((each) => each !== node);
      for (const owner of [node, ...others.slice(0, 1)]) {
        const id = `${name} confirms ${owner.runtime}`;
        const client = await TestClient.open(owner.clientUrl(id), [V1_PROTOCOL]);
        while ((await client.next()) !== `welcome ${id}`);
        const confirmed = sender.emit(id, "hi", { confirm: true, timeoutMs: 8_000 });
        while ((await client.next()) !== "hi");
        client.send("~ack 2");
        assert.equal(await confirmed, true);
        await assert.rejects(sender.emit(id, "x", { confirm: true, timeoutMs: 100 }), withCode("deadline_exceeded"));
        const left = sender.emit(id, "y", { confirm: true, timeoutMs: 8_000 });
        while ((await client.next()) !== "y");
        await client.close();
        assert.equal(await left, false);
        const plain = await owner.connect(id);
        await assert.rejects(sender.emit(id, "hi", { confirm: true }), withCode("failed_precondition"));
        await plain.close();
      }
    });

    test(`${name}: an id that nobody has is answered with false`, async () => {
      using sender = new DistClient(way.options(cluster.on(runtime)));
      assert.equal(await sender.emit("nobody", "hi"), false);
      assert.equal(await sender.online("nobody"), false);
      assert.equal(await sender.subscribe("nobody", "news"), false);
      assert.equal(await sender.disconnect("nobody"), false);
    });

    test(`${name}: it names the living nodes`, async () => {
      using sender = new DistClient(way.options(cluster.on(runtime)));
      const hosts = cluster.nodes.map(({ node }) => node.host);
      assert.deepEqual((await sender.nodes()).toSorted(), hosts.toSorted());
    });
  }

  test(`a DistClient with a wrong token or secret is refused by ${runtime} as unauthenticated`, async () => {
    const node = cluster.on(runtime);
    const client = await node.connect(`refusing ${runtime}`);
    const wrong = await createToken({ secret: "another secret", audience: "cluster" });
    const storage = new RedisStorage(cluster.redis.target, "cluster");
    const options: DistClientOptions[] = [
      { url: `http://${node.host}`, token: wrong },
      { url: `http://${node.host}` },
      { url: node.url, token: () => wrong },
      { url: node.url, secret: "another secret" },
      { storage, secret: "another secret" },
      { storage },
    ];
    for (const each of options) {
      using sender = new DistClient({ ...each, logger: silentLogger });
      await assert.rejects(sender.emit(`refusing ${runtime}`, "hi"), withCode("unauthenticated"));
    }
    assert.deepEqual(client.waiting, []);
    await client.close();
  });
}

test("a DistClient that is not used is silent", async () => {
  const [{ node } = assert.fail("no node")] = cluster.nodes;
  const client = await node.connect("forgetful");
  let calls = 0;
  using sender = new DistClient({
    storage: new RedisStorage(cluster.redis.target, "cluster"),
    secret: SECRET,
    limits: { linkPingMs: 20 },
    fetch: (url, init) => {
      calls++;
      return fetch(url, init);
    },
  });
  assert.equal(await sender.emit("forgetful", "once"), true);
  assert.equal(calls, 1);
  // Many times the time after which a line that is kept open is tested.
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(calls, 1);
  assert.equal(await sender.emit("forgetful", "again"), true);
  assert.deepEqual([await client.next(), await client.next()], ["once", "again"]);
  await client.close();
});

test("a DistClient straight to the owners keeps the order of calls to one id that are not awaited", async () => {
  using sender = new DistClient({ storage: new RedisStorage(cluster.redis.target, "cluster"), secret: SECRET });
  for (const { node } of cluster.nodes) {
    const client = await node.connect(`ordered ${node.runtime}`);
    const sends = Array.from({ length: 500 }, (_, index) => sender.emit(`ordered ${node.runtime}`, String(index)));
    assert.ok((await Promise.all(sends)).every(Boolean));
    for (let index = 0; index < 500; index++) assert.equal(await client.next(), String(index));
    await client.close();
  }
});

test("a DistClient whose node is not there rejects with unavailable, in time", async () => {
  const proxy = await TcpProxy.open();
  await proxy.close();
  using sender = new DistClient({ url: `http://${proxy.host}`, token, logger: silentLogger });
  const started = performance.now();
  await assert.rejects(sender.emit("alice", "hi"), withCode("unavailable"));
  assert.ok(performance.now() - started < 3_000);
});

test("a DistClient whose node does not answer rejects with deadline_exceeded after timeoutMs", async () => {
  const [first] = cluster.nodes;
  first?.proxy.pause();
  try {
    using sender = new DistClient({ url: `http://${first?.node.host}`, token, logger: silentLogger });
    const started = performance.now();
    await assert.rejects(sender.emit("alice", "hi", { timeoutMs: 300 }), withCode("deadline_exceeded"));
    assert.ok(performance.now() - started < 3_000);
  } finally {
    first?.proxy.resume();
  }
});

test("no node that a DistClient called met an error that nobody caught", () => {
  for (const { node } of cluster.nodes) assert.deepEqual(node.problems, [], node.runtime);
});
