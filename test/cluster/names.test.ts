/** Ids and topics that try everything, through nodes of each runtime and Redis: they arrive exactly, or are refused at the upgrade. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { nastyNames } from "../contract/storage-names.ts";
import { NODE_RUNTIMES, type NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster } from "../kit/process-cluster.ts";
import { RawClient } from "../kit/raw.ts";
import { withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

const NAMES: readonly string[] = [
  ...nastyNames,
  "%",
  "%2F",
  "%25",
  "a%20b+c",
  "?id=x&topics=y#z",
  "../../websocket",
  "websocket",
  "welcome",
  "\u0085\u200b\u202e",
  "👩‍👩‍👧‍👦",
  "x".repeat(512),
  "é".repeat(256),
  "😀".repeat(128),
];

const REFUSED: readonly [what: string, id: string, says: RegExp][] = [
  ["no characters", "", /id must not be empty/],
  ["513 bytes", "x".repeat(513), /id is longer than 512 bytes/],
  ["513 bytes in fewer characters", `${"é".repeat(256)}x`, /id is longer than 512 bytes/],
  ["10 kB", "x".repeat(10_240), /id is longer than 512 bytes/],
  ["a lone high surrogate", "a\ud800", /lone surrogate/],
  ["a lone low surrogate", "\udc00a", /lone surrogate/],
  ["surrogates in the wrong order", "\udc00\ud800", /lone surrogate/],
];

let cluster: ProcessCluster;
let storage: RedisStorage;

before(async () => {
  cluster = await ProcessCluster.start();
  storage = new RedisStorage(cluster.redis.target, "cluster");
});

after(async () => {
  await cluster.close();
});

function others(owner: NodeProcess): NodeProcess[] {
  return cluster.nodes.map(({ node }) => node).filter((node) => node !== owner);
}

for (const runtime of NODE_RUNTIMES) {
  test(`${runtime}: ids and topics that look like something else arrive exactly as they are`, async () => {
    const owner = cluster.on(runtime);
    const [sender, another] = others(owner);
    for (const name of new Set(NAMES)) {
      const shown = JSON.stringify(name).slice(0, 60);
      const client = await owner.connect(name, [name]);
      assert.equal((await storage.get([name]))[0]?.host, owner.host, shown);
      // Not the bare name: the WebSocket of Node leaves out a byte order mark at the start.
      assert.equal(await sender?.hub.emit(name, `<${name}>`), true, shown);
      assert.equal(await client.next(), `<${name}>`);
      assert.equal(await another?.hub.online(name), true, shown);
      assert.equal((await another?.hub.publish(name, "topic"))?.delivered, 1, shown);
      assert.equal(await client.next(), "topic");
      assert.deepEqual((await sender?.hub.members(name))?.ids, [name], shown);
      assert.equal((await sender?.hub.broadcast("x", { except: [name] }))?.delivered, 0, shown);
      assert.deepEqual(client.waiting, []);
      await client.close();
    }
    await until("the releases", async () => (await Array.fromAsync(storage.all())).length === 0);
    for (const name of NAMES) assert.equal(await sender?.hub.online(name), false);
  });

  test(`${runtime}: names that differ in nothing but what is hard to see are different`, async () => {
    const owner = cluster.on(runtime);
    const [sender] = others(owner);
    const names = ["a", "A", "a ", " a", "a\0", "é", "e\u0301", "ａ", "123", "0123", "123.0", "\ufeffa"];
    const clients = await Promise.all(names.map((name) => owner.connect(name)));
    for (const [index, client] of clients.entries()) {
      assert.equal(await sender?.hub.emit(names[index] ?? "", String(index)), true);
      assert.equal(await client.next(), String(index));
    }
    assert.deepEqual(clients.map(({ waiting }) => waiting.length), names.map(() => 0));
    await Promise.all(clients.map((client) => client.close()));
    await until("the releases", async () => (await Array.fromAsync(storage.all())).length === 0);
  });

  for (const [what, id, says] of REFUSED) {
    test(`${runtime}: an id of ${what} is refused at the upgrade with 400 and the reason, and by every call`, async () => {
      const owner = cluster.on(runtime);
      const { pathname, search, port } = new URL(owner.clientUrl(id));
      cluster.redis.commands.length = 0;
      const client = await RawClient.connect(Number(port));
      client.handshake(pathname + search);
      const { status, headers } = await client.head();
      assert.equal(status, 400);
      assert.match(await client.body(Number(headers.get("content-length") ?? 10_000)), says);
      client.socket.destroy();
      const calls = [
        owner.hub.emit(id, "x"),
        owner.hub.online(id),
        owner.hub.disconnect(id),
        owner.hub.subscribe(id, "news"),
        owner.hub.publish(id, "x"),
        owner.hub.members(id),
      ];
      for (const call of calls) await assert.rejects(call, withCode("invalid_argument"));
      const { renew: _, ...commands } = cluster.redis.counts();
      assert.deepEqual(commands, {}, "the storage heard nothing of it");
    });
  }
}

test("no node that met strange names met an error that nobody caught", () => {
  for (const { node } of cluster.nodes) assert.deepEqual(node.problems, [], node.runtime);
});
