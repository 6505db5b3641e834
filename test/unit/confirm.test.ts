/** Guarantee 1 with `confirm`: true says that the client itself acknowledged the message. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MeshError } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Client } from "../../src/client/client.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import type { EmitOptions } from "../../src/send/verbs.ts";
import { MemoryClient } from "../../src/testing/memory-client.ts";
import { V1Client } from "../kit/v1-client.ts";
import { Events } from "../kit/wait.ts";

const LATER: EmitOptions = { confirm: true, timeoutMs: 60_000 };

interface Scene {
  readonly hub: Hub;
  /** Connects as "me", or comes back. */
  readonly connect: (resume?: string) => Promise<V1Client>;
  /** What the emits to confirm came to, in that order. */
  readonly outcomes: Events<string>;
  readonly confirm: (text: string, options?: EmitOptions) => void;
  /** The server's side of "me". */
  readonly me: () => Client;
}

async function scene(run: (scene: Scene) => Promise<void>, options: HubOptions = {}): Promise<void> {
  await using hub = new Hub({ logger: silentLogger, ...options });
  const outcomes = new Events<string>("an outcome");
  const [away, clients] = [Promise.withResolvers<void>(), [] as Client[]];
  hub.on("away", () => away.resolve());
  const confirm = (text: string, how: EmitOptions = LATER): void => {
    const add = (outcome: unknown): void => outcomes.add(`${text} ${String(outcome)}`);
    hub.emit("me", text, how).then(add, (error: MeshError) => add(error.code));
  };
  const connect = (resume?: string): Promise<V1Client> =>
    V1Client.open(hub, { id: "me", onConnect: (client) => void clients.push(client) }, resume);
  await run({ hub, outcomes, connect, confirm, me: () => clients.at(-1) as Client });
}

test("confirm: true once the client acknowledged, which it is asked to do at once", () =>
  scene(async ({ hub, connect, confirm, outcomes }) => {
    const client = await connect();
    assert.equal(await hub.emit("me", "plain"), true);
    confirm("1");
    confirm("2");
    assert.deepEqual(await client.take(4), ["plain", "1", "2", "~sync"]);
    client.send("~ack 1");
    assert.equal(await hub.emit("me", "3"), true);
    assert.equal(await client.next(), "3", "only what is to be confirmed is followed by ~sync");
    assert.deepEqual(outcomes.waiting, [], "so far the client has acknowledged the first message alone");
    client.send("~ack 3");
    assert.deepEqual([await outcomes.next(), await outcomes.next()], ["1 true", "2 true"]);
    confirm("4");
    assert.deepEqual(await client.take(2), ["4", "~sync"]);
    client.send("~ack 5");
    assert.equal(await outcomes.next(), "4 true");
    assert.deepEqual(client.waiting, []);
  }));

test("confirm: counts the messages of a fan-out in the same tick, and goes out in order with them", () =>
  scene(async ({ hub, connect, confirm, outcomes }) => {
    const others = await Promise.all(Array.from({ length: 8 }, (_, at) => MemoryClient.open(hub, { id: `${at}` })));
    const client = await connect();
    void hub.broadcast("to all");
    confirm("mine");
    void hub.broadcast("to all again");
    assert.deepEqual(await client.take(4), ["to all", "mine", "to all again", "~sync"]);
    client.send("~ack 1");
    confirm("next");
    assert.deepEqual(await client.take(2), ["next", "~sync"]);
    assert.deepEqual(outcomes.waiting, []);
    client.send("~ack 2");
    assert.equal(await outcomes.next(), "mine true");
    client.send("~ack 4");
    assert.equal(await outcomes.next(), "next true");
    assert.equal(others.length, 8);
  }));

test("confirm: client.emit confirms as well, and one of another client is refused by the subprotocol's name", () =>
  scene(async ({ hub, connect, me }) => {
    const client = await connect();
    const sent = me().emit("hi", LATER);
    assert.deepEqual(await client.take(2), ["hi", "~sync"]);
    client.send("~ack 1");
    assert.equal(await sent, true);
    const plain = Promise.withResolvers<Client>();
    const memory = await MemoryClient.open(hub, { id: "plain", onConnect: plain.resolve });
    const refused = { code: "failed_precondition", message: /meshsocket\.v1/ };
    await assert.rejects(hub.emit("plain", "x", { confirm: true }), refused);
    await assert.rejects((await plain.promise).emit("x", { confirm: true }), refused);
    assert.equal(await hub.emit("plain", "y", { confirm: false }), true);
    assert.equal(await memory.next(), "y", "what was refused was not sent");
  }));

test("confirm: goes on over a resume, whether the client had got the message or not", () =>
  scene(async ({ hub, connect, confirm, outcomes }) => {
    const first = await connect();
    confirm("got");
    confirm("missed");
    await first.take(3);
    const away = new Promise((resolve) => hub.on("away", resolve));
    first.socket.terminate();
    await away;
    confirm("while away");
    const second = await connect(`1.${first.hello.token}`);
    assert.equal(await outcomes.next(), "got true");
    assert.deepEqual(await second.take(3), ["missed", "while away", "~sync"]);
    assert.deepEqual(outcomes.waiting, []);
    second.send("~ack 3");
    assert.deepEqual([await outcomes.next(), await outcomes.next()], ["missed true", "while away true"]);
  }));

test("confirm: false when nobody has the id, the buffer is full, or the client is lost or left", () =>
  scene(async ({ hub, connect, confirm, outcomes, me }) => {
    confirm("nobody");
    assert.equal(await outcomes.next(), "nobody false");
    const left = await connect();
    confirm("left");
    await left.take(2);
    left.socket.close(1000);
    assert.equal(await outcomes.next(), "left false");
    const lost = await connect();
    confirm("lost");
    await lost.take(2);
    lost.socket.terminate();
    assert.equal(await outcomes.next(), "lost false");
    const gone = me();
    assert.equal(await gone.emit("gone", LATER), false);
    const slow = await connect();
    slow.socket.stall();
    confirm("a".repeat(600_000));
    confirm("b".repeat(600_000));
    const [one, other] = [await outcomes.next(), await outcomes.next()];
    assert.deepEqual([one.slice(-6), other.slice(-6)], [" false", " false"]);
    assert.equal(await hub.online("me"), false);
  }, { resume: { windowMs: 20 }, limits: { maxBufferedBytes: 1_000_000 } }));

test("confirm: deadline_exceeded for a client that does not acknowledge in time; a later one is confirmed", () =>
  scene(async ({ connect, confirm, outcomes }) => {
    const client = await connect();
    confirm("in vain", { confirm: true, timeoutMs: 20 });
    assert.equal(await outcomes.next(), "in vain deadline_exceeded");
    confirm("later");
    assert.deepEqual(await client.take(4), ["in vain", "~sync", "later", "~sync"]);
    client.send("~ack 2");
    assert.equal(await outcomes.next(), "later true");
  }));

test("confirm: no more wait for a client than limits.maxRequestsPerClient, and a signal ends the wait", () =>
  scene(async ({ hub, connect, confirm, outcomes }) => {
    const client = await connect();
    confirm("1");
    confirm("2");
    confirm("3");
    assert.equal(await outcomes.next(), "3 resource_exhausted");
    assert.deepEqual(await client.take(3), ["1", "2", "~sync"], "what was refused was not sent");
    client.send("~ack 2");
    assert.deepEqual([await outcomes.next(), await outcomes.next()], ["1 true", "2 true"]);
    const stop = new AbortController();
    const stopped = hub.emit("me", "4", { confirm: true, signal: stop.signal });
    stop.abort(new Error("enough"));
    await assert.rejects(stopped, { message: "enough" });
    assert.equal(await client.next(), "4", "what was sent stays sent");
  }, { limits: { maxRequestsPerClient: 2 } }));

test("confirm: sends to many refuse the option by its name, and it is true or false", () =>
  scene(async ({ hub, connect, me }) => {
    await connect();
    const bad = { code: "invalid_argument", message: /confirm/ };
    const many = { confirm: true } as object;
    await assert.rejects(hub.broadcast("x", many), bad);
    await assert.rejects(hub.publish("news", "x", many), bad);
    await assert.rejects(me().broadcast("x", many), bad);
    await assert.rejects(me().publish("news", "x", many), bad);
    const words = { confirm: "yes" } as object;
    await assert.rejects(hub.emit("me", "x", words), bad);
    await assert.rejects(me().emit("x", words), bad);
  }));
