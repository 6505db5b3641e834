/** Guarantee 10 over several nodes: a client may come back on any of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "../../src/client/session.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { MemoryClient } from "../../src/testing/memory-client.ts";
import { V1Client } from "../kit/v1-client.ts";
import { Events } from "../kit/wait.ts";

/** Connects as "me" to a node, or comes back there. */
async function connect({ hub }: MemoryNode, session: Session = {}, resume?: string): Promise<V1Client> {
  const client = await V1Client.open(hub, { id: "me", ...session }, resume);
  // Sends from other nodes reach it from now on.
  while (!(await hub.online("me"))) await new Promise((resolve) => setTimeout(resolve, 1));
  return client;
}

/** "me" is on its way from A to B, until `go` lets A answer. */
async function onItsWay(
  cluster: MemoryCluster,
  [a, b]: readonly [MemoryNode, MemoryNode],
  token?: string,
): Promise<{ go: () => void; coming: Promise<V1Client> }> {
  const first = await connect(a);
  first.socket.terminate();
  const go = cluster.pause(a.host);
  const coming = V1Client.open(b.hub, { id: "me" }, `0.${token ?? first.hello.token}`);
  while (b.hub.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  return { go, coming };
}

test("a client comes back on another node: what it had not got comes first, in order, and topics stay", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const log = new Events<string>("an entry of the log");
  const session = (node: string): Session => ({
    async onConnect(client) {
      log.add(`${node} onConnect`);
      await client.subscribe("news");
    },
    onResume: () => log.add(`${node} onResume`),
    onEvent: (_, message) => log.add(`${node} ${String(message)}`),
    onDisconnect: (_, code) => log.add(`${node} onDisconnect ${code}`),
  });
  const first = await connect(a, session("a"));
  first.send("1");
  assert.equal(await log.next(), "a onConnect");
  assert.equal(await log.next(), "a 1");
  await c.hub.emit("me", "one");
  await first.next();
  first.socket.terminate();
  assert.equal(await c.hub.emit("me", "two"), true);
  assert.equal((await c.hub.publish("news", "three")).held, 1);
  const second = await connect(b, session("b"), `1.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, second.hello.received, second.hello.handled], [true, 1, 1]);
  assert.equal(await log.next(), "b onResume");
  assert.equal(await c.hub.emit("me", "four"), true);
  assert.equal((await c.hub.publish("news", "five")).delivered, 1);
  assert.deepEqual(await second.take(4), ["two", "three", "four", "five"]);
  second.send("2");
  assert.equal(await log.next(), "b 2");
  assert.deepEqual([a.hub.size, b.hub.size], [0, 1]);
  assert.deepEqual((await c.hub.members("news")).ids, ["me"]);
  second.socket.close(1000);
  assert.equal(await log.next(), "b onDisconnect 1000");
  assert.deepEqual(log.waiting, []);
});

test("a client that cannot come back on another node gets what was sent while the first was asked, and confirms it", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const { go, coming } = await onItsWay(cluster, [a, b], "a-wrong-token");
  const sent = b.hub.emit("me", "one", { timeoutMs: 60_000 });
  const confirmed = b.hub.emit("me", "two", { confirm: true, timeoutMs: 60_000 });
  go();
  const second = await coming;
  assert.equal(await sent, true);
  assert.equal(second.hello.lost, "token");
  assert.deepEqual(await second.take(3), ["one", "two", "~sync"]);
  second.send("~ack 2");
  assert.equal(await confirmed, true);
  assert.equal(await b.hub.emit("me", "three"), true);
  assert.equal(await second.next(), "three");
  second.socket.close(1000);
  await second.closed();
});

test("a send to a client on its way here is answered when its old node has the message, and not before", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const { go, coming } = await onItsWay(cluster, [a, b]);
  const impatient = b.hub.emit("me", "one", { timeoutMs: 20 });
  const aborted = b.hub.emit("me", "two", { signal: AbortSignal.timeout(20) });
  const patient = b.hub.emit("me", "three", { timeoutMs: 60_000 });
  await assert.rejects(impatient, { code: "deadline_exceeded" });
  await assert.rejects(aborted, { name: "TimeoutError" });
  go();
  assert.equal(await patient, true);
  const second = await coming;
  assert.equal(second.hello.resumed, true);
  assert.deepEqual(await second.take(3), ["one", "two", "three"]);
});

test("a client may move from node to node, several times in a row", async () => {
  await using cluster = new MemoryCluster();
  const nodes = await threeNodes(cluster);
  let client = await connect(nodes[0]);
  for (let round = 1; round <= 9; round++) {
    client.socket.terminate();
    assert.equal(await nodes[0].hub.emit("me", `${round}`), true);
    client = await connect(nodes[round % 3] as MemoryNode, {}, `${round - 1}.${client.hello.token}`);
    assert.equal(client.hello.resumed, true);
    assert.equal(await client.next(), `${round}`);
    client.send(`~ack ${round}`);
  }
});

test("a half-open connection on another node is closed by the resume, and its late messages are not handled", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const heard: unknown[] = [];
  const first = await connect(a, { onEvent: (_, message) => void heard.push(message) });
  const second = await connect(b, {}, `0.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  assert.equal(await first.closed(), 1006);
  assert.deepEqual(heard, []);
  assert.equal(await a.hub.emit("me", "hello"), true);
  assert.equal(await second.next(), "hello");
});

test("messages that wait for the application go on on the new node, because they were not acknowledged", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const busy = Promise.withResolvers<void>();
  const handled: string[] = [];
  const first = await connect(a, {
    onEvent(_, message) {
      handled.push(`a ${String(message)}`);
      return busy.promise;
    },
  });
  for (const text of ["1", "2", "3"]) first.send(text);
  while (handled.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  first.socket.terminate();
  const second = await connect(
    b,
    { onEvent: (_, message) => void handled.push(`b ${String(message)}`) },
    `0.${first.hello.token}`,
  );
  assert.deepEqual([second.hello.received, second.hello.handled], [1, 1]);
  second.send("2");
  second.send("3");
  second.send("~sync");
  assert.equal(await second.next(), "~ack 3");
  busy.resolve();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(handled, ["a 1", "b 2", "b 3"]);
});

test("a wrong token on another node makes a new client that hears lost, and the old one is closed", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await connect(a);
  const thief = await connect(b, {}, "0.wrong");
  assert.deepEqual([thief.hello.resumed, thief.hello.lost], [false, "token"]);
  assert.equal(await first.closed(), 4409);
});

test("after the death of its node a client is lost, and told so", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster, { leaseMs: 500 });
  const first = await connect(a);
  await cluster.kill(a.host);
  const second = await connect(b, {}, `0.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, second.hello.lost], [false, "unknown"]);
  await b.hub.emit("me", "again");
  assert.equal(await second.next(), "again");
});

test("a resume on another node costs no storage command beyond the claim", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await connect(a);
  first.socket.terminate();
  const commands: string[] = [];
  for (const name of ["set", "get", "del"] as const) {
    const original = cluster.storage[name].bind(cluster.storage) as (...args: unknown[]) => unknown;
    Object.assign(cluster.storage, {
      [name]: (...args: unknown[]) => {
        commands.push(name);
        return original(...args);
      },
    });
  }
  const second = await connect(b, {}, `0.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(commands, ["set"]);
});

test("a node that is closed keeps its clients until they came back on another one", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await connect(a);
  const closed = a.hub.close();
  assert.match(String(await first.next()), /^~bye \{"retryAfterMs":\d+\}$/);
  assert.equal(await first.closed(), 1012);
  assert.equal(await b.hub.emit("me", "meanwhile"), true);
  const second = await connect(b, {}, `0.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  assert.equal(await second.next(), "meanwhile");
  await closed;
});

test("a node that closes on its own gives up its clients, with what they never acknowledged", async () => {
  const cluster = new MemoryCluster();
  const a = await cluster.start();
  const ends: unknown[] = [];
  const first = await connect(a, {
    onDisconnect: (_, code, __, undelivered) => void ends.push([code, ...undelivered]),
  });
  await a.hub.emit("me", "1");
  assert.equal(await first.next(), "1");
  await a.hub.close();
  assert.deepEqual(ends, [[1012, "1"]]);
});

for (
  const [name, options] of [
    ["maxBytes", { resume: { maxBytes: 1_000 } }],
    ["maxResumeBytes", { limits: { maxResumeBytes: 1_000 } }],
  ] as const
) {
  test(`a client whose messages the new node has no room for is lost, and told so: ${name}`, async () => {
    await using cluster = new MemoryCluster();
    const a = await cluster.start();
    const b = await cluster.start(options);
    const first = await connect(a, { onConnect: (client) => client.subscribe("news") });
    first.socket.terminate();
    for (let each = 1; each <= 30; each++) assert.equal(await b.hub.emit("me", `${each} ${"x".repeat(40)}`), true);
    const second = await connect(b, {}, `0.${first.hello.token}`);
    assert.deepEqual([second.hello.resumed, second.hello.lost], [false, "overflow"]);
    assert.equal((await a.hub.publish("news", "nobody listens")).delivered, 0);
    assert.equal(await a.hub.emit("me", "again"), true);
    assert.equal(await second.next(), "again");
  });
}

test("messages to a client that could not be taken over reach the new client, once", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await connect(a);
  cluster.delay(a.host, 20);
  const coming = V1Client.open(b.hub, { id: "me" }, "0.wrong");
  while (b.hub.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(await b.hub.emit("me", "one"), true);
  const second = await coming;
  assert.equal(second.hello.lost, "token");
  assert.equal(await b.hub.emit("me", "two"), true);
  assert.deepEqual(await second.take(2), ["one", "two"]);
  second.socket.terminate();
  const third = await V1Client.open(b.hub, { id: "me" }, `1.${second.hello.token}`);
  assert.equal(await third.next(), "two");
  assert.equal(await first.closed(), 4409);
});

test("a client that is gone before it could be taken over is never shown to the application", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const log: string[] = [];
  await connect(a);
  cluster.delay(a.host, 20);
  const lost = new Promise<readonly unknown[]>((resolve) => b.hub.on("lost", (event) => resolve(event.undelivered)));
  const offers = "meshsocket.v1, meshsocket.resume.0.wrong";
  const session: Session = {
    id: "me",
    onConnect: () => void log.push("onConnect"),
    onAway: () => void log.push("onAway"),
    onDisconnect: () => void log.push("onDisconnect"),
  };
  const client = await MemoryClient.connect(b.hub, () => session, { headers: { "sec-websocket-protocol": offers } });
  const sent = b.hub.emit("me", "one");
  client.socket.terminate();
  assert.deepEqual(await lost, ["one"]);
  assert.equal(await sent, true);
  assert.deepEqual(log, []);
  assert.equal(b.hub.size, 0);
});

test("a call that is answered too late for the old node fails with unknown on the new one", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  const first = await connect(a, {
    onRequest() {
      asked.resolve();
      return answer.promise;
    },
  });
  first.send("~request 1\nnow?");
  await asked.promise;
  first.socket.terminate();
  const second = await connect(b, {}, `0.${first.hello.token}`);
  assert.equal(second.hello.received, 1);
  assert.match(String(await second.next()), /^~error 1 \{"code":"unknown"/);
  answer.resolve("late");
});

test("a request to a client that is on its way goes on with the numbers of the old node", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await connect(a);
  const before = a.hub.request("me", "first?");
  assert.equal(await first.next(), "~request 1\nfirst?");
  first.send("~reply 1\nyes");
  assert.equal(await before, "yes");
  cluster.delay(a.host, 20);
  const coming = V1Client.open(b.hub, { id: "me" }, `1.${first.hello.token}`);
  while (b.hub.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const request = b.hub.request("me", "second?");
  const second = await coming;
  assert.equal(await second.next(), "~request 2\nsecond?");
  second.send("~reply 2\nyes");
  assert.equal(await request, "yes");
});

test("subscriptions of the client itself go on on another node: tagged, and with those of the server as they were", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const session: Session = { onSubscribe: () => true };
  const first = await connect(a, session);
  for (const topic of ["server", "both"]) await c.hub.subscribe("me", topic);
  for (const [at, topic] of ["client", "both"].entries()) {
    first.send(`~subscribe ${at} {"topic":"${topic}"}`);
    assert.equal(await first.next(), `~subscribed ${at} {}`);
  }
  first.socket.terminate();
  assert.equal((await c.hub.publish("client", "held")).held, 1);
  const second = await connect(b, session, `2.${first.hello.token}`);
  assert.equal(await second.next(), '~message {"topic":"client"}\nheld');
  for (const topic of ["client", "both", "server"]) assert.equal((await c.hub.publish(topic, "new")).delivered, 1);
  const tagged = (topic: string): string => `~message {"topic":"${topic}"}\nnew`;
  assert.deepEqual(await second.take(3), [tagged("client"), tagged("both"), "new"]);
  for (const [at, topic] of ["client", "both"].entries()) second.send(`~unsubscribe ${at} {"topic":"${topic}"}`);
  assert.deepEqual(await second.take(2), ["~reply 0\n", "~reply 1\n"]);
  assert.equal((await c.hub.publish("client", "new")).delivered, 0);
  assert.equal((await c.hub.publish("both", "bare again")).delivered, 1);
  assert.equal(await second.next(), "bare again");
});

test("where the oldest client of an id stays, it alone comes back on other nodes: away, and half-open", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, { duplicateIds: "oldest" });
  let client = await connect(a);
  for (const [index, [from, to]] of ([[a, b], [b, c], [c, a]] as const).entries()) {
    if (index !== 1) client.socket.terminate();
    assert.equal(await to.hub.emit("me", `${index}`), true);
    await assert.rejects(V1Client.open(to.hub, { id: "me" }, "0.wrong"), /refused with 409/);
    await assert.rejects(V1Client.open(to.hub, { id: "me" }), /refused with 409/);
    const second = await V1Client.open(to.hub, { id: "me" }, `${2 * index}.${client.hello.token}`);
    assert.deepEqual([second.hello.resumed, second.hello.lost], [true, undefined]);
    assert.equal(await second.next(), `${index}`);
    assert.equal(await from.hub.emit("me", "here?"), true);
    assert.equal(await second.next(), "here?");
    second.send(`~ack ${2 * index + 2}`);
    client = second;
  }
});
