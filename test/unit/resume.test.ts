/** Guarantee 10 on one node: a dropped connection loses nothing, or says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session } from "../../src/client/session.ts";
import type { HubClient } from "../../src/client/hub-client.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { V1Client } from "../kit/v1-client.ts";
import { until } from "../kit/until.ts";
import { Events } from "../kit/wait.ts";

interface Scene {
  readonly hub: Hub;
  readonly log: Events<string>;
  /** Connects as "me", or comes back with the number of messages that it has and its token. */
  readonly connect: (resume?: string, session?: Session) => Promise<V1Client>;
}

/** A hub whose clients write down what their handlers hear. */
async function scene(run: (scene: Scene) => Promise<void>, options: HubOptions = {}): Promise<void> {
  await using hub = new Hub({ logger: silentLogger, ...options });
  const log = new Events<string>("an entry of the log");
  hub.on("away", ({ client }) => log.add(`${client.id} away`));
  hub.on("resumed", ({ client }) => log.add(`${client.id} resumed`));
  hub.on("lost", ({ client, reason, undelivered }) => log.add(`${client.id} lost ${reason} ${undelivered.join()}`));
  const session: Session = {
    id: "me",
    onConnect: () => log.add("onConnect"),
    onEvent: (_, message) => log.add(String(message)),
    onAway: (client) => log.add(`onAway ${client.away}`),
    onResume: (client) => log.add(`onResume ${client.away}`),
    onDisconnect: (_, code, __, undelivered) => log.add(`onDisconnect ${code} ${undelivered.join()}`),
  };
  await run({ hub, log, connect: (resume, other) => V1Client.open(hub, { ...session, ...other }, resume) });
}

async function took(log: Events<string>, ...entries: string[]): Promise<void> {
  for (const entry of entries) assert.equal(await log.next(), entry);
  assert.deepEqual(log.waiting, []);
}

const ZERO = { delivered: 0, held: 0, dropped: 0, unreachable: [] };

test("a client that comes back gets what was sent meanwhile, and what it had not got, once and in order", () =>
  scene(async ({ hub, log, connect }) => {
    const first = await connect();
    assert.equal(first.hello.resumed, false);
    assert.equal(await hub.emit("me", "1"), true);
    assert.equal(await hub.emit("me", "2"), true);
    assert.deepEqual(await first.take(2), ["1", "2"]);
    first.socket.terminate();
    await took(log, "onConnect", "onAway true", "me away");
    assert.equal(await hub.emit("me", "3"), true, "a held message was accepted");
    assert.deepEqual(await hub.broadcast("4"), { ...ZERO, held: 1 });
    assert.equal(await hub.online("me"), true);
    const second = await connect(`1.${first.hello.token}`);
    assert.equal(second.hello.resumed, true);
    assert.equal(await hub.emit("me", "5"), true);
    assert.deepEqual(await second.take(4), ["2", "3", "4", "5"]);
    await took(log, "onResume false", "me resumed");
  }));

test("messages of the client are counted: the hello of a resume says how many came", () =>
  scene(async ({ log, connect }) => {
    const first = await connect();
    for (const text of ["a", "~~b", "c"]) first.send(text);
    await took(log, "onConnect", "a", "~b", "c");
    first.socket.terminate();
    await took(log, "onAway true", "me away");
    const second = await connect(`0.${first.hello.token}`);
    assert.equal(second.hello.received, 3);
    second.send("d");
    await took(log, "onResume false", "me resumed", "d");
  }));

test("an away client keeps its topics, and a publish to it is held", () =>
  scene(async ({ hub, log, connect }) => {
    const first = await connect(undefined, { onConnect: (client) => client.subscribe("news") });
    await hub.emit("me", "ready");
    await first.next();
    first.socket.terminate();
    await took(log, "onAway true", "me away");
    assert.deepEqual(await hub.publish("news", "n"), { ...ZERO, held: 1 });
    assert.deepEqual((await hub.members("news")).ids, ["me"]);
    const second = await connect(`1.${first.hello.token}`);
    assert.equal(await second.next(), "n");
  }));

test("a client that does not come back in time is lost, with what it never acknowledged", () =>
  scene(async ({ hub, log, connect }) => {
    const first = await connect();
    await hub.emit("me", "1");
    await hub.emit("me", "2");
    await first.take(2);
    first.send("~ack 1");
    first.socket.close(4001, "network changed");
    await took(log, "onConnect", "onAway true", "me away");
    await hub.emit("me", new TextEncoder().encode("3"));
    await took(log, "me lost window 2,51", "onDisconnect 4001 2,51");
    assert.equal(await hub.online("me"), false);
    const late = await connect(`2.${first.hello.token}`);
    assert.deepEqual([late.hello.resumed, late.hello.lost], [false, "unknown"]);
  }, { resume: { windowMs: 50 } }));

test("a client that closes is gone at once", () =>
  scene(async ({ hub, log, connect }) => {
    const first = await connect();
    first.socket.close(1000, "bye");
    await took(log, "onConnect", "onDisconnect 1000 ");
    assert.equal(await hub.online("me"), false);
  }));

test("a token is good for one resume, and a wrong one makes a new client that hears lost", () =>
  scene(async ({ log, connect }) => {
    const first = await connect();
    first.socket.terminate();
    await took(log, "onConnect", "onAway true", "me away");
    const second = await connect(`0.${first.hello.token}`);
    assert.equal(second.hello.resumed, true);
    second.send("~ack 0");
    second.send("here");
    await took(log, "onResume false", "me resumed", "here");
    const thief = await connect(`0.${first.hello.token}`);
    assert.deepEqual([thief.hello.resumed, thief.hello.lost], [false, "token"]);
    assert.equal(await second.closed(), 1013);
    await took(log, "onConnect", "onDisconnect 1013 ");
  }));

test("a client that lost the connection before its hello came may use its token again", () =>
  scene(async ({ hub, connect }) => {
    const first = await connect();
    first.socket.terminate();
    const unseen = await connect(`0.${first.hello.token}`);
    await hub.emit("me", "1");
    unseen.socket.terminate();
    const third = await connect(`0.${first.hello.token}`);
    assert.equal(third.hello.resumed, true);
    assert.equal(await third.next(), "1");
  }));

test("a client may come back while its old connection looks alive", () =>
  scene(async ({ hub, log, connect }) => {
    const old = await connect();
    old.socket.stall();
    await hub.emit("me", "1");
    const second = await connect(`0.${old.hello.token}`);
    assert.equal(await second.next(), "1");
    await took(log, "onConnect", "onAway true", "me away", "onResume false", "me resumed");
    assert.equal(hub.size, 1);
  }));

test("a plain connection of the same id takes an away client over, which is lost", () =>
  scene(async ({ hub, log, connect }) => {
    const first = await connect();
    first.socket.terminate();
    await took(log, "onConnect", "onAway true", "me away");
    await hub.emit("me", "for the page");
    const plain = await MemoryClient.open(hub, { id: "me" });
    await took(log, "me lost replaced for the page", "onDisconnect 4409 for the page");
    await hub.emit("me", "now");
    assert.equal(await plain.next(), "now");
  }));

test("more than maxBytes for an away client: the send is refused and the client lost", () =>
  scene(async ({ hub, log, connect }) => {
    const first = await connect();
    first.socket.terminate();
    await took(log, "onConnect", "onAway true", "me away");
    assert.equal(await hub.emit("me", "x".repeat(600)), true);
    assert.equal(await hub.emit("me", "y".repeat(600)), false);
    await took(log, `me lost overflow ${"x".repeat(600)}`, `onDisconnect 1006 ${"x".repeat(600)}`);
    const late = await connect(`0.${first.hello.token}`);
    assert.deepEqual([late.hello.resumed, late.hello.lost], [false, "unknown"]);
  }, { resume: { maxBytes: 1_000 } }));

test("a request survives a resume: it is asked once, and its reply comes over the next connection", () =>
  scene(async ({ hub, connect }) => {
    const first = await connect();
    const asked = hub.request("me", "ready?");
    assert.equal(await first.next(), "~request 1\nready?");
    first.socket.terminate();
    const second = await connect(`1.${first.hello.token}`);
    second.send("~reply 1\nyes");
    assert.equal(await asked, "yes");
    assert.deepEqual(second.waiting, []);
  }));

test("a client calls, and gets replies and errors with their codes, but never a stack", () =>
  scene(async ({ connect }) => {
    const client = await connect(undefined, {
      async onRequest(_, message) {
        await Promise.resolve();
        if (message === "missing") throw new MeshError("not_found", "no such thing");
        if (message === "broken") throw new Error("secret");
        return message;
      },
    });
    client.send("~request 1\nhello");
    client.send(new TextEncoder().encode("~request 2\nbytes"));
    client.send("~request 3\nmissing");
    client.send("~request 4\nbroken");
    const lines = await client.take(4);
    assert.deepEqual(lines, [
      "~reply 1\nhello",
      new TextEncoder().encode("~reply 2\nbytes"),
      '~error 3 {"code":"not_found","message":"no such thing"}',
      '~error 4 {"code":"internal","message":"internal error"}',
    ]);
  }));

test("messages that begin with the reserved character are escaped, for clients of the protocol only", () =>
  scene(async ({ hub, connect }) => {
    const plain = await MemoryClient.open(hub, { id: "plain" });
    const one = await connect();
    const other = await connect(undefined, { id: "other" });
    const text = "~ack 99";
    const bytes = new TextEncoder().encode(text);
    await hub.broadcast(text);
    await hub.broadcast(bytes);
    assert.deepEqual(await plain.take(2), [text, bytes]);
    for (const client of [one, other]) {
      assert.deepEqual(await client.take(2), ["~~ack 99", new TextEncoder().encode("~~ack 99")]);
    }
  }));

test("a client that breaks the rules is closed with 4400, and no other is disturbed", async () => {
  const faults = ["~ack 7", "~what", "~hello {}", "~ack -1", "~request 1", "~", "~reply x\n", "~ack 1\nmore"];
  for (const fault of [...faults, new TextEncoder().encode("~ack 0")]) {
    await scene(async ({ hub, connect }) => {
      const other = await connect(undefined, { id: "other" });
      const client = await connect();
      client.send(fault);
      assert.equal(await client.closed(), 4400, String(fault));
      await hub.emit("other", "still here");
      assert.equal(await other.next(), "still here");
    });
  }
});

test("a sync is acknowledged when the messages before it were handled, not before", () =>
  scene(async ({ connect }) => {
    const handling = Promise.withResolvers<void>();
    const client = await connect(undefined, { onEvent: () => handling.promise });
    for (const line of ["1", "2", "~sync", "~ping 5"]) client.send(line);
    assert.match(String(await client.next()), /^~pong 5 \d+$/);
    handling.resolve();
    assert.equal(await client.next(), "~ack 2");
  }));

test("a client that is closed for a long message is gone: nothing is acknowledged any more", () =>
  scene(async ({ hub, log, connect }) => {
    const client = await connect(undefined, { onEvent: (one) => one.close(4000, "too long") });
    client.send("x".repeat(64_000));
    assert.equal(await client.closed(), 4000);
    await took(log, "onConnect", "onDisconnect 4000 ");
    assert.deepEqual([client.waiting, hub.size], [[], 0]);
  }));

const LATE_ENDS: [string, (client: HubClient) => void][] = [
  ["answers no ping", (client) => client.dead()],
  ["is to come back", (client) => client.interrupt(4001, "over")],
];
for (const [what, end] of LATE_ENDS) {
  test(`a client that was closed and then ${what} is gone, not away`, () =>
    scene(async ({ hub, log, connect }) => {
      const client = await connect();
      await took(log, "onConnect");
      const closed = hub.client("me") as HubClient;
      closed.close(4000, "bye");
      end(closed);
      await client.closed();
      await took(log, "onDisconnect 4000 ");
    }));
}

test("messages of every kind come again as they were, and are given back as they were", () =>
  scene(async ({ hub, connect }) => {
    const bytes = new TextEncoder().encode("~bytes");
    const messages = ["", "short", "~ack 9", "~", "é", "x".repeat(2_000), bytes];
    const onWire = ["", "short", "~~ack 9", "~~", "é", "x".repeat(2_000), new TextEncoder().encode("~~bytes")];
    const lost = new Promise<readonly unknown[]>((resolve) => {
      hub.on("lost", ({ undelivered }) => resolve(undelivered));
    });
    const first = await connect();
    for (const message of messages) await hub.emit("me", message);
    assert.deepEqual(await first.take(messages.length), onWire);
    first.socket.terminate();
    const second = await connect(`0.${first.hello.token}`);
    assert.deepEqual(await second.take(messages.length), onWire);
    const { ledger } = protocol(hub);
    const all = ledger.bytes;
    second.send("~ack 2");
    await until("two to be acknowledged", () => ledger.bytes < all);
    second.socket.terminate();
    await connect("0.wrong");
    assert.deepEqual(await lost, messages.slice(2));
    assert.equal(ledger.bytes, 0);
  }));

test("an acknowledgement that is due goes with the next message, once, and alone if none comes", () =>
  scene(async ({ hub, log, connect }) => {
    const client = await withAckDue({ hub, log, connect });
    for (const message of ["one", "two"]) await hub.emit("me", message);
    assert.deepEqual(await client.take(3), ["one", "~ack 1", "two"]);
    client.send("2");
    assert.equal(await client.next(), "~ack 2");
    protocol(hub).ackDue = true;
    for (const message of ["three", "four"]) await hub.emit("me", message);
    assert.deepEqual(await client.take(2), ["three", "four"]);
  }));

test("an acknowledgement does not go with a long message, whose bytes many clients share", () =>
  scene(async ({ hub, log, connect }) => {
    const client = await withAckDue({ hub, log, connect });
    const long = "x".repeat(2_000);
    for (const message of [long, "short"]) await hub.emit("me", message);
    assert.deepEqual(await client.take(3), [long, "short", "~ack 1"]);
  }));

/** A client of which a message was handled, which is to be acknowledged with the next message. */
async function withAckDue({ hub, log, connect }: Scene): Promise<V1Client> {
  const client = await connect();
  client.send("1");
  await took(log, "onConnect", "1");
  protocol(hub).ackDue = true;
  return client;
}

function protocol(hub: Hub): NonNullable<HubClient["v1"]> {
  const { v1 } = hub.client("me") as HubClient;
  assert.ok(v1);
  return v1;
}
