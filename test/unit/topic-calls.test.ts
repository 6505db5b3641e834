/** Subscriptions that clients of `meshsocket.v1` make themselves, line by line on one node. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { HubClient } from "../../src/client/hub-client.ts";
import type { Session } from "../../src/client/session.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { V1Client } from "../kit/v1-client.ts";
import { Events } from "../kit/wait.ts";

type Connect = (id?: string, session?: Session, resume?: string) => Promise<V1Client>;

const all: Session = { onSubscribe: () => true, onPublish: () => true };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function scene(run: (hub: Hub, connect: Connect) => Promise<void>, options: HubOptions = {}): Promise<void> {
  await using hub = new Hub({ logger: silentLogger, ...options });
  await run(hub, (id = "me", session = {}, resume) => V1Client.open(hub, { ...all, id, ...session }, resume));
}

/** Sends a call and returns its answer. */
async function ask(client: V1Client, line: string | Uint8Array): Promise<string> {
  client.send(line);
  return String(await client.next());
}

test("a client subscribes itself: its messages come with their topic, text and bytes, and those of others bare", () =>
  scene(async (hub, connect) => {
    const [me, other] = [await connect(), await connect("other")];
    const plain = await MemoryClient.open(hub, { id: "plain", onConnect: (client) => client.subscribe("room:1") });
    await hub.subscribe("other", "room:1");
    assert.equal(await ask(me, '~subscribe 1 {"topic":"room:1"}'), "~subscribed 1 {}");
    assert.equal((await hub.publish("room:1", "~hi")).delivered, 3);
    assert.equal((await hub.publish("room:1", bytes("b"))).delivered, 3);
    await hub.emit("me", "to me alone");
    const tagged = '~message {"topic":"room:1"}\n';
    assert.deepEqual(await me.take(3), [`${tagged}~hi`, bytes(`${tagged}b`), "to me alone"]);
    assert.deepEqual(await other.take(2), ["~~hi", bytes("b")]);
    assert.deepEqual(await plain.take(2), ["~hi", bytes("b")]);
    assert.deepEqual([...(await hub.members("room:1")).ids].sort(), ["me", "other", "plain"]);
    assert.equal(await ask(me, '~unsubscribe 2 {"topic":"room:1"}'), "~reply 2\n");
    assert.equal((await hub.publish("room:1", "later", { except: ["other"] })).delivered, 1);
    assert.deepEqual(me.waiting, []);
  }));

test("all tagged listeners of a node share one frame, whoever else listens, in groups of any size", () =>
  scene(async (hub, connect) => {
    for (const size of [1, 3, 9]) {
      const topic = `of ${size}`;
      const clients = await Promise.all(Array.from({ length: size }, (_, at) => connect(`${topic} ${at}`)));
      const bare = await Promise.all(Array.from({ length: size }, (_, at) => connect(`${topic} bare ${at}`)));
      for (const client of clients) await ask(client, `~subscribe 1 {"topic":"${topic}"}`);
      for (let at = 0; at < size; at++) await hub.subscribe(`${topic} bare ${at}`, topic);
      const sent = [hub.publish(topic, "1"), hub.publish(topic, "2", { except: [`${topic} 0`, `${topic} bare 0`] })];
      await hub.emit(`${topic} 0`, "3");
      assert.deepEqual((await Promise.all(sent)).map(({ delivered }) => delivered), [2 * size, 2 * size - 2]);
      const line = `~message {"topic":"${topic}"}\n`;
      for (const [at, client] of clients.entries()) {
        assert.deepEqual(await client.take(2), at === 0 ? [`${line}1`, "3"] : [`${line}1`, `${line}2`]);
      }
      for (const [at, client] of bare.entries()) assert.deepEqual(await client.take(at && 2), at ? ["1", "2"] : []);
    }
  }));

test("subscriptions and publishes are refused unless the session allows them, with the text to act on", () =>
  scene(async (_, connect) => {
    const none = await connect("none", { onSubscribe: undefined, onPublish: undefined });
    assert.equal(
      await ask(none, '~subscribe 1 {"topic":"a"}'),
      '~error 1 {"code":"permission_denied","message":"clients may not subscribe here: ' +
        'define onSubscribe(client, topic) in the session, and return true"}',
    );
    assert.match(await ask(none, '~publish 2 {"topic":"a"}\nm'), /permission_denied.*define onPublish\(client, topic/);
    const errors = new Events<string>("an error");
    const some = await connect("some", {
      onError: (_client, error) => errors.add(error.message),
      async onSubscribe(_client, topic) {
        await Promise.resolve();
        if (topic === "secret") throw new MeshError("not_found", "there is none");
        if (topic === "broken") throw new Error("do not tell");
        return topic === "odd" ? (1 as unknown as boolean) : topic === "good";
      },
    });
    assert.equal(await ask(some, '~subscribe 1 {"topic":"good"}'), "~subscribed 1 {}");
    assert.match(await ask(some, '~subscribe 2 {"topic":"bad"}'), /permission_denied.*onSubscribe refused the topic/);
    assert.match(await ask(some, '~subscribe 3 {"topic":"secret"}'), /not_found.*there is none/);
    for (const [number, topic] of [[4, "broken"], [5, "odd"]] as const) {
      const answer = `~error ${number} {"code":"internal","message":"internal error"}`;
      assert.equal(await ask(some, `~subscribe ${number} {"topic":"${topic}"}`), answer);
    }
    assert.equal(await errors.next(), "do not tell");
    assert.equal(await errors.next(), "onSubscribe must return true or false, not a number");
  }));

test("a client can neither name the library's topics nor bad ones, nor more than the limit, and the handler is not asked", () =>
  scene(async (hub, connect) => {
    const asked: string[] = [];
    const onSubscribe = (_: unknown, topic: string): boolean => asked.push(topic) > 0;
    const client = await connect("me", { user: "ann", onSubscribe });
    const bad = ["meshsocket:user:ann", "", "x".repeat(513), "\\ud800"];
    for (const topic of bad) {
      assert.match(await ask(client, `~subscribe 1 {"topic":"${topic}"}`), /"invalid_argument"/);
      assert.match(await ask(client, `~publish 1 {"topic":"${topic}"}\nm`), /"invalid_argument"/);
      assert.match(await ask(client, `~unsubscribe 1 {"topic":"${topic}"}`), /"invalid_argument"/);
    }
    assert.deepEqual(asked, []);
    for (const topic of ["a", "b"]) {
      assert.match(await ask(client, `~subscribe 1 {"topic":"${topic}"}`), /^~subscribed/);
    }
    assert.match(await ask(client, '~subscribe 2 {"topic":"c"}'), /resource_exhausted.*at most 2 topics/);
    assert.match(await ask(client, '~subscribe 3 {"topic":"b"}'), /^~subscribed 3/);
    assert.deepEqual((await hub.members("c")).ids, []);
  }, { limits: { maxTopicsPerClient: 2 } }));

test("a client publishes: to every listener with itself, and learns how many got it", () =>
  scene(async (hub, connect) => {
    const heard: unknown[] = [];
    const onPublish = (_: unknown, topic: string, message: unknown): boolean => heard.push([topic, message]) > 0;
    const me = await connect("me", { onPublish });
    const other = await MemoryClient.open(hub, { id: "other", onConnect: (client) => client.subscribe("t") });
    await ask(me, '~subscribe 1 {"topic":"t"}');
    me.send('~publish 2 {"topic":"t"}\nline\nline');
    const outcome = '{"delivered":2,"held":0,"dropped":0,"unreachable":[]}';
    assert.deepEqual(await me.take(2), ['~message {"topic":"t"}\nline\nline', `~published 2 ${outcome}`]);
    me.send(bytes('~publish 3 {"topic":"t"}\n\n~'));
    assert.deepEqual(await me.take(2), [bytes('~message {"topic":"t"}\n\n~'), `~published 3 ${outcome}`]);
    assert.deepEqual(await other.take(2), ["line\nline", bytes("\n~")]);
    assert.deepEqual(heard, [["t", "line\nline"], ["t", bytes("\n~")]]);
    assert.match(await ask(me, '~publish 4 {"topic":"t","key":"k"}\nm'), /failed_precondition.*no history/);
  }));

test("calls take effect in their order, however long each decision takes", () =>
  scene(async (hub, connect) => {
    const decisions = new Map<string, PromiseWithResolvers<boolean>>();
    const decide = (_: unknown, topic: string): Promise<boolean> => {
      const decision = Promise.withResolvers<boolean>();
      decisions.set(topic, decision);
      return decision.promise;
    };
    const me = await connect("me", { onSubscribe: decide, onPublish: () => true });
    me.send('~subscribe 1 {"topic":"slow"}');
    me.send('~publish 2 {"topic":"slow"}\nfor me');
    me.send('~unsubscribe 3 {"topic":"slow"}');
    me.send("~sync");
    assert.equal(await me.next(), "~ack 3");
    decisions.get("slow")?.resolve(true);
    const lines = (await me.take(4)).map((line) => String(line).split(/[{\n]/)[0]);
    assert.deepEqual(new Set(lines), new Set(["~message ", "~published 2 ", "~reply 3", "~subscribed 1 "]));
    assert.deepEqual((await hub.members("slow")).ids, []);
  }));

test("a client that left is not asked for, nor subscribed", () =>
  scene(async (hub, connect) => {
    const asked = new Events<string>("a handler");
    const slow = Promise.withResolvers<boolean>();
    const onSubscribe = (_: unknown, topic: string): Promise<boolean> => {
      asked.add(topic);
      return slow.promise;
    };
    const me = await connect("me", { onSubscribe, onDisconnect: () => asked.add("onDisconnect") });
    for (const [at, topic] of ["a", "b"].entries()) me.send(`~subscribe ${at} {"topic":"${topic}"}`);
    assert.equal(await asked.next(), "a");
    me.socket.close(1000);
    assert.equal(await asked.next(), "onDisconnect");
    slow.resolve(true);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(asked.waiting, []);
    assert.deepEqual((await hub.members("a")).ids, []);
  }));

test("a client that the server subscribed as well gets each message once: tagged, and bare after its own subscription ended", () =>
  scene(async (hub, connect) => {
    const me = await connect();
    await hub.subscribe("me", "t");
    await ask(me, '~subscribe 1 {"topic":"t"}');
    await hub.subscribe("me", "t");
    await hub.publish("t", "1");
    await ask(me, '~unsubscribe 2 {"topic":"t"}').then((line) => assert.equal(line, '~message {"topic":"t"}\n1'));
    assert.equal(await me.next(), "~reply 2\n");
    await hub.publish("t", "2");
    assert.equal(await me.next(), "2");
    await ask(me, '~subscribe 3 {"topic":"t"}');
    await hub.unsubscribe("me", "t");
    assert.equal(await me.next(), '~unsubscribed {"topic":"t"}');
    assert.equal((await hub.publish("t", "3")).delivered, 0);
    assert.equal(await ask(me, '~unsubscribe 4 {"topic":"t"}'), "~reply 4\n");
  }));

test("presence counts both kinds of subscription once", () =>
  scene(async (hub, connect) => {
    const events = new Events<string>("a presence event");
    hub.watchPresence("t", { onEvent: ({ type, id }) => events.add(`${type} ${id}`) });
    const me = await connect();
    await ask(me, '~subscribe 1 {"topic":"t"}');
    assert.equal(await events.next(), "join me");
    await hub.subscribe("me", "t");
    await ask(me, '~unsubscribe 2 {"topic":"t"}');
    await hub.unsubscribe("me", "t");
    assert.equal(await events.next(), "leave me");
    assert.deepEqual(events.waiting, []);
  }));

test("tagged messages are counted, held and sent again, and those of a lost client are given back", () =>
  scene(async (hub, connect) => {
    const lost = Promise.withResolvers<readonly unknown[]>();
    const session: Session = { onDisconnect: (_, __, ___, undelivered) => lost.resolve(undelivered) };
    const first = await connect("me", session);
    await ask(first, '~subscribe 1 {"topic":"t"}');
    await hub.publish("t", "1");
    await first.next();
    first.socket.terminate();
    assert.equal((await hub.publish("t", "2")).held, 1);
    const second = await connect("me", session, `1.${first.hello.token}`);
    assert.deepEqual(await second.take(2), ['~message {"topic":"t"}\n1', '~message {"topic":"t"}\n2']);
    await hub.publish("t", bytes("3"));
    await second.next();
    second.send("~ack 3");
    await ask(second, "~ping 1");
    second.socket.terminate();
    await MemoryClient.open(hub, { id: "me" });
    assert.deepEqual(await lost.promise, [bytes("3")]);
  }));

test("at most so many calls of a client wait, of any kind", () =>
  scene(async (_, connect) => {
    const me = await connect("me", {
      onSubscribe: () => new Promise(() => {}),
      onRequest: () => new Promise(() => {}),
    });
    me.send('~subscribe 1 {"topic":"t"}');
    me.send("~request 2\nm");
    assert.match(await ask(me, '~publish 3 {"topic":"t"}\nm'), /~error 3 .*resource_exhausted.*at most 2/);
  }, { limits: { maxRequestsPerClient: 2 } }));

test("lines about topics that are not right are faults", async () => {
  const faults = [
    "~subscribe",
    "~subscribe 1",
    '~subscribe {"topic":"t"}',
    '~subscribe 1 {"topic":1}',
    '~subscribe 1 ["t"]',
    '~subscribe 01 {"topic":"t"}',
    '~subscribe 1 {"topic":"t"}\n',
    '~publish 1 {"topic":"t"}',
    '~publish 1 {"topic":"t","key":1}\nm',
    '~message {"topic":"t"}\nm',
    "~subscribed 1 {}",
    '~unsubscribed {"topic":"t"}',
    bytes('~subscribe 1 {"topic":"t"}'),
  ];
  for (const fault of faults) {
    await scene(async (hub, connect) => {
      const [other, me] = [await connect("other"), await connect()];
      me.send(fault);
      assert.equal(await me.closed(), 4400, String(fault));
      await hub.emit("other", "still here");
      assert.equal(await other.next(), "still here");
    });
  }
});

test("messages keep their order and their form when a subscription changes between two publishes of one tick", () =>
  scene(async (hub, connect) => {
    const bare = await Promise.all(Array.from({ length: 6 }, (_, at) => MemoryClient.open(hub, { id: `bare ${at}` })));
    for (let at = 0; at < 6; at++) await hub.subscribe(`bare ${at}`, "t");
    const tagged = await connect("tagged");
    await ask(tagged, '~subscribe 1 {"topic":"t"}');
    const me = await connect("me");
    // As if the line came in this very tick.
    const line = (text: string): void => (hub.client("me") as HubClient | undefined)?.connection?.message(text);
    const steps = [
      () => hub.publish("t", "1"),
      () => line('~subscribe 1 {"topic":"t"}'),
      () => hub.publish("t", "2"),
      () => hub.emit("me", "alone"),
      () => hub.publish("t", "3", { except: ["me"] }),
      () => hub.publish("t", "4"),
      () => line('~unsubscribe 2 {"topic":"t"}'),
      () => hub.publish("t", "5"),
    ];
    for (const byServer of [false, true]) {
      if (byServer) await hub.subscribe("me", "t");
      for (const step of steps) {
        const sent: unknown = step();
        assert.ok(sent === undefined || sent instanceof Promise);
      }
      await hub.emit("me", "end");
      const got: string[] = [];
      while (got.at(-1) !== "end") got.push(String(await me.next()));
      const head = '~message {"topic":"t"}\n';
      const messages = got.filter((each) => !/^~(subscribed|reply|ack)/.test(each));
      const [first, last] = byServer ? [["1"], ["5"]] : [[], []];
      assert.deepEqual(messages, [...first, `${head}2`, "alone", `${head}4`, ...last, "end"]);
      assert.deepEqual(await tagged.take(5), ["1", "2", "3", "4", "5"].map((each) => head + each));
      for (const one of bare) assert.deepEqual(await one.take(5), ["1", "2", "3", "4", "5"]);
    }
  }));
