import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import type { Client } from "../../src/client/client.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import { subscribeLine } from "../../src/wire/topics.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Position } from "../../src/send/position.ts";
import type { From, Recovery } from "../../src/send/verbs.ts";
import { HeldHistory } from "../kit/held-history.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { Random, runSeed } from "../kit/random.ts";
import { withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

const TOPICS: HubOptions["topics"] = [{ match: "room:*", history: { messages: 100_000 } }];
const WINDOW = { messages: 100, ms: 60_000, bytes: 10_000 };

/** A client with what it got, from the place that it asked for. */
interface Reader {
  readonly got: string[];
  readonly subscribed: Recovery | void;
  readonly inside: Client;
}

async function read(node: MemoryNode, id: string, from?: From): Promise<Reader> {
  const { promise, resolve, reject } = Promise.withResolvers<{ inside: Client; subscribed: Recovery | void }>();
  const client = await node.connect(id, {
    async onConnect(inside) {
      await (from ? inside.subscribe("room:1", { from }) : inside.subscribe("room:1")).then(
        (subscribed) => resolve({ inside, subscribed }),
        reject,
      );
    },
  });
  const got: string[] = [];
  got.push(...client.waiting.map(String));
  client.socket.addEventListener("message", (event) => got.push(String((event as MessageEvent<unknown>).data)));
  return { got, ...await promise };
}

/** Three nodes with this history: A has a reader, and what B published came to it. */
async function oneRead(cluster: MemoryCluster, history: HeldHistory): Promise<{ b: MemoryNode; reader: Reader }> {
  const [a, b] = await threeNodes(cluster, { topics: TOPICS, history });
  const reader = await read(a, "reader");
  await b.hub.publish("room:1", "1");
  return { b, reader };
}

/** Publishes on all nodes at once, in bursts, until told to stop; the messages are numbered by node. */
function publishers(nodes: readonly MemoryNode[], random: Random): () => Promise<number> {
  let stopped = false;
  let count = 0;
  const run = async (node: MemoryNode): Promise<void> => {
    for (let number = 0; !stopped;) {
      const burst = Array.from({ length: 1 + random.below(20) }, () => {
        count++;
        return node.hub.publish("room:1", `${node.host}/${number++}`);
      });
      await Promise.all(burst);
      if (random.below(3) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(4)));
    }
  };
  const runs = nodes.map(run);
  return async () => {
    stopped = true;
    await Promise.all(runs);
    return count;
  };
}

async function all(node: MemoryNode): Promise<string[]> {
  const messages: string[] = [];
  let from: Position | undefined;
  for (let more = true; more;) {
    const page = await node.hub.history("room:1", { from });
    messages.push(...page.messages.map(({ data }) => String(data)));
    from = { epoch: page.end.epoch, offset: page.messages.at(-1)?.offset ?? 0 };
    more = page.more;
  }
  return messages;
}

/** What each reader got is one unbroken run of the history, up to its end. */
function assertRuns(readers: readonly Reader[], history: readonly string[]): void {
  for (const [index, { got, subscribed }] of readers.entries()) {
    assert.equal(new Set(got).size, got.length, `reader ${index} got a message twice`);
    assert.deepEqual(
      got,
      history.slice(history.length - got.length),
      `reader ${index} (${JSON.stringify(subscribed)})`,
    );
  }
}

test("readers that join at random places while all nodes publish get every message once and in one order", async (t) => {
  t.diagnostic(`seed ${runSeed}`);
  const random = new Random(runSeed);
  await using cluster = new MemoryCluster();
  const nodes = await threeNodes(cluster, { topics: TOPICS });
  const stop = publishers(nodes, random);
  const readers: Reader[] = [];
  let joining: Promise<unknown>[] = [];
  for (let index = 0; index < 40; index++) {
    const node = random.pick(nodes);
    const { epoch, offset } = await node.hub.position("room:1");
    const from = random.pick<From>([{ epoch, offset: random.below(offset + 1) }, { last: 1 + random.below(50) }, {
      ms: 1_000,
    }]);
    joining.push(
      read(node, `reader-${index}`, from).then((reader) => {
        readers.push(reader);
        if ("epoch" in from) assert.equal(reader.subscribed?.recovered, true);
      }),
    );
    if (joining.length === 8) joining = [(await Promise.all(joining), Promise.resolve())];
  }
  await Promise.all(joining);
  const count = await stop();
  const history = await all(nodes[0]);
  assert.equal(history.length, count);
  await until("all readers to have the end", () => readers.every(({ got }) => got.at(-1) === history.at(-1)));
  assertRuns(readers, history);
});

test("a client that comes back on other nodes while messages pass gets each of them once and in order", async (t) => {
  t.diagnostic(`seed ${runSeed}`);
  const random = new Random(runSeed);
  await using cluster = new MemoryCluster();
  const nodes = await threeNodes(cluster, { topics: TOPICS });
  const joined = Promise.withResolvers<void>();
  const session = { id: "me", onConnect: (client: Client) => client.subscribe("room:1").then(joined.resolve) };
  let me = await V1Client.open(nodes[0].hub, session);
  await joined.promise;
  let published = 0;
  let stopped = false;
  const publisher = (async () => {
    while (!stopped) {
      await nodes[2].hub.publish("room:1", String(published++));
      await new Promise((resolve) => setTimeout(resolve, random.below(2)));
    }
  })();
  const got: string[] = [];
  for (let move = 0; move < 12; move++) {
    for (let count = random.below(20); count > 0; count--) got.push(String(await me.next()));
    me.socket.terminate();
    got.push(...me.waiting.map(String));
    me = await V1Client.open(random.pick(nodes).hub, session, `${got.length}.${me.hello.token}`);
    assert.equal(me.hello.resumed, true, `after ${move} moves: ${me.hello.lost}`);
  }
  stopped = true;
  await publisher;
  while (got.length < published) got.push(String(await me.next()));
  assert.deepEqual(got, Array.from({ length: published }, (_, index) => String(index)));
});

const BOTH = ["room:1", "short:1"];
const SHORT: HubOptions["topics"] = [{ match: "short:*", history: { messages: 2 } }, ...TOPICS ?? []];

/** A client that is away, and has a message of each topic to get. Returns how it comes back. */
async function leaveBehind(nodes: readonly MemoryNode[], session: Session, calls: readonly string[]): Promise<string> {
  const [a, b] = nodes;
  if (!a || !b) throw new Error("there are nodes");
  const joined = Promise.withResolvers<void>();
  const me = await V1Client.open(a.hub, {
    ...session,
    async onConnect(client) {
      await session.onConnect?.(client);
      joined.resolve();
    },
  });
  await joined.promise;
  for (const call of calls) {
    me.send(call);
    assert.match(String(await me.next()), /^~subscribed /);
  }
  me.socket.terminate();
  for (const topic of BOTH) await b.hub.publish(topic, "1");
  return `${calls.length}.${me.hello.token}`;
}

test("a client that comes back on another node, and lacks messages of a topic there, hears of the gap", async () => {
  const history = new MemoryHistory();
  await using cluster = new MemoryCluster();
  const nodes = await threeNodes(cluster, { topics: SHORT, history });
  const session: Session = { id: "me", onSubscribe: () => true };
  const token = await leaveBehind(nodes, session, BOTH.map((topic, index) => subscribeLine(index + 1, { topic })));
  await history.clear("short:1");
  const me = await V1Client.open(nodes[1].hub, session, token);
  assert.equal(me.hello.resumed, true, me.hello.lost);
  await nodes[2].hub.publish("room:1", "2");
  const lines = (await me.take(4)).map((line) => String(line).replace(/"epoch":"[^"]*",/, ""));
  assert.deepEqual(lines, [
    '~message {"topic":"room:1","offset":1}\n1',
    '~message {"topic":"short:1","offset":1}\n1',
    '~gap {"topic":"short:1","offset":0}',
    '~message {"topic":"room:1","offset":2}\n2',
  ]);
});

test("a client that cannot go on in all topics gets nothing of those in which it could, without what came before", async () => {
  const history = new MemoryHistory();
  await using cluster = new MemoryCluster();
  const nodes = await threeNodes(cluster, { topics: SHORT, history });
  const session: Session = { id: "me", onConnect: (client) => client.subscribe(BOTH) };
  const token = await leaveBehind(nodes, session, []);
  await history.clear("short:1");
  const readNow = history.read.bind(history);
  history.read = async (topic, query) => {
    history.read = readNow;
    await nodes[2].hub.publish(topic, "2");
    return await readNow(topic, query);
  };
  const lost = new Promise((resolve) => nodes[1].hub.on("lost", ({ reason }) => resolve(reason)));
  const connecting = V1Client.open(nodes[1].hub, session, token);
  assert.equal(await Promise.race([lost, connecting.then(({ hello }) => hello)]), "closed");
  await connecting.catch(() => {});
  const me = await V1Client.open(nodes[1].hub, session, token);
  assert.equal(me.hello.lost, "unknown");
  await until("it to listen again", () => nodes[1].hub.topics().length === 2);
  await nodes[2].hub.publish("room:1", "3");
  assert.equal(await me.next(), "3");
});

test("a message that a broken line lost is read from the history, before the next reaches anybody", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster, { topics: TOPICS, limits: { timeoutMs: 300 } });
  const reader = await read(a, "reader");
  await b.hub.publish("room:1", "1");
  const end = cluster.lose(a.host);
  const lost = await b.hub.publish("room:1", "2");
  assert.deepEqual([lost.delivered, lost.unreachable], [0, [a.host]]);
  end();
  await until("the line to be open again", async () => (await b.hub.publish("room:1", "3")).unreachable.length === 0);
  const history = await all(b);
  await until("the reader to have the end", () => reader.got.length === history.length);
  assert.deepEqual(reader.got, history);
  assert.deepEqual(history.slice(0, 2), ["1", "2"]);
});

test("listeners get the last message of a node that died before it delivered it", async () => {
  const storage = new MemoryStorage();
  await using cluster = new MemoryCluster(storage);
  const [a, b] = await threeNodes(cluster, { topics: TOPICS, leaseMs: 600 });
  const reader = await read(a, "reader");
  await b.hub.publish("room:1", "1");
  // It reached the history, and nobody else.
  await storage.history().append("room:1", [{ data: "2" }], WINDOW);
  await cluster.kill(b.host);
  await until("the last message", () => reader.got.length === 2);
  assert.deepEqual(reader.got, ["1", "2"]);
});

test("a message of which its publisher knows nothing reaches listeners on all nodes, even if none comes after it", async () => {
  const history = new HeldHistory();
  await using cluster = new MemoryCluster();
  const { b, reader } = await oneRead(cluster, history);
  const append = history.hold("append");
  const second = b.hub.publish("room:1", "2");
  await append.begun;
  append.release(new MeshError("unknown", "the answer was lost"));
  await assert.rejects(second, withCode("unknown"));
  await until("the second message", () => reader.got.length === 2);
  assert.deepEqual(reader.got, ["1", "2"]);
});

test("a publish that repeats a key brings the first message to listeners on all nodes that lack it", async () => {
  const history = new HeldHistory();
  await using cluster = new MemoryCluster();
  const { b, reader } = await oneRead(cluster, history);
  // Its publisher was cut off before it delivered it.
  await history.append("room:1", [{ data: "2", key: "order" }], WINDOW);
  assert.equal((await b.hub.publish("room:1", "2", { key: "order" })).offset, 2);
  await until("the second message", () => reader.got.length === 2);
  assert.equal((await b.hub.publish("room:1", "2", { key: "order" })).offset, 2);
  await b.hub.publish("room:1", "3");
  await until("the third message", () => reader.got.length === 3);
  assert.deepEqual(reader.got, ["1", "2", "3"]);
});

test("a node that dies while the history cannot be asked leaves no hole: the others ask until they know", async () => {
  const history = new HeldHistory();
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster, { topics: TOPICS, history, leaseMs: 2_000 });
  const reader = await read(a, "reader");
  await b.hub.publish("room:1", "1");
  await history.append("room:1", [{ data: "2" }], WINDOW);
  const asked = history.hold("position");
  await cluster.kill(b.host);
  await asked.begun;
  asked.release(new MeshError("unavailable", "the history is down"));
  await until("the last message", () => reader.got.length === 2);
  assert.deepEqual(reader.got, ["1", "2"]);
});
