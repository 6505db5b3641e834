/** Subscriptions of the client package against real servers of this runtime, with a network that drops its connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, MeshError, type Publication, type Subscription } from "../../client/index.ts";
import type { Session } from "../../src/client/session.ts";
import { type Heard, scene, took } from "../kit/client-scene.ts";
import { until } from "../kit/until.ts";
import { Events, within } from "../kit/wait.ts";

const all: Session = { onSubscribe: () => true, onPublish: () => true };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function next(room: Subscription): Promise<unknown> {
  const { value } = await within("a message of the topic", room.next());
  return value?.data;
}

async function opened(one: Heard): Promise<Heard["ws"]> {
  await took(one.log, "open");
  return one.ws;
}

test("client: a subscription gets the messages of its topic, and no other event shows them", () =>
  scene(all, async ({ hub, open }) => {
    const { ws, log } = open();
    const room = await ws.subscribe("room:1");
    await took(log, "open");
    assert.equal(room.topic, "room:1");
    assert.equal(room.recovered, true);
    assert.equal((await hub.publish("room:1", "~a")).delivered, 1);
    await hub.publish("room:1", bytes("b"));
    await hub.emit("me", "to me");
    const got: Publication[] = [];
    for await (const message of room) if (got.push(message) === 2) break;
    const rest = { topic: "room:1", epoch: undefined, offset: undefined };
    assert.deepEqual(got, [{ ...rest, data: "~a" }, { ...rest, data: bytes("b") }]);
    await took(log, "to me");
    assert.deepEqual(log.waiting, []);
    await until("the end of the subscription", async () => (await hub.members("room:1")).ids.length === 0);
    assert.deepEqual(await room.next(), { done: true, value: undefined });
  }));

test("client: publishes, and learns how many got it; several subscriptions to one topic share one", () => {
  const asked: string[] = [];
  const session: Session = {
    onSubscribe: (_, topic) => asked.push(topic) > 0,
    onPublish: (_, topic) => topic !== "no",
  };
  return scene(session, async ({ hub, open }) => {
    const { ws } = open();
    const [one, two] = await Promise.all([ws.subscribe("t"), ws.subscribe("t")]);
    const three = await ws.subscribe("t");
    const heard: unknown[] = [];
    Object.assign(three, { onmessage: ({ data }: Publication) => heard.push(data) });
    assert.deepEqual(await ws.publish("t", "1"), { delivered: 1, held: 0, dropped: 0, unreachable: [] });
    assert.deepEqual([await next(one), await next(two), heard], ["1", "1", ["1"]]);
    assert.deepEqual(asked, ["t"]);
    one.close();
    two.close();
    await ws.publish("t", "2");
    assert.deepEqual(heard, ["1", "2"]);
    three.close();
    await until("the end of the subscription", async () => (await hub.members("t")).ids.length === 0);
    await assert.rejects(ws.publish("no", "m"), { code: "permission_denied" });
    await assert.rejects(ws.publish("t", "m", { key: "k" }), { code: "failed_precondition" });
    await assert.rejects(ws.publish("meshsocket:user:me", "m"), { code: "invalid_argument" });
  });
});

test("client: a refused subscription rejects with the server's error, and may be asked for again", () => {
  let allowed = false;
  return scene({
    onSubscribe(_, topic) {
      if (topic === "gone") throw new MeshError("not_found", "there is none");
      return allowed;
    },
  }, async ({ open }) => {
    const { ws } = open();
    await assert.rejects(ws.subscribe("gone"), { code: "not_found", message: "there is none" });
    await assert.rejects(ws.subscribe("t"), { code: "permission_denied" });
    await assert.rejects(ws.publish("t", "m"), { code: "permission_denied", message: /define onPublish/ });
    allowed = true;
    await ws.subscribe("t", { timeoutMs: Infinity });
    const wrong = { code: "invalid_argument" };
    await assert.rejects(ws.subscribe(undefined as never), wrong);
    await assert.rejects(ws.publish(5 as never, "m"), wrong);
    await assert.rejects(ws.subscribe("u", { form: 1 } as never), wrong);
  });
});

test("client: a subscription goes on after a resume, with what was published meanwhile", () =>
  scene(all, async ({ hub, proxy, open }) => {
    const one = open();
    const room = await (await opened(one)).subscribe("t");
    proxy.refuse(true);
    proxy.cut();
    await took(one.log, "away");
    const { delivered, held } = await hub.publish("t", "meanwhile");
    assert.equal(delivered + held, 1);
    const asked = one.ws.subscribe("other");
    proxy.refuse(false);
    await took(one.log, "resumed");
    assert.equal(await next(room), "meanwhile");
    assert.equal((await asked).recovered, true);
    assert.equal(room.recovered, true);
  }));

test("client: after lost it subscribes again before anything else is sent, and says that something may be missing", () => {
  const order = new Events<string>("something that the server did");
  const session: Session = {
    onSubscribe(_, topic) {
      order.add(`subscribe ${topic}`);
      return true;
    },
    onEvent: (_, message) => order.add(String(message)),
  };
  return scene(session, async ({ hub, open }) => {
    const { ws, log } = open();
    ws.addEventListener("lost", () => ws.send("sent in lost"));
    const rooms = [await ws.subscribe("a"), await ws.subscribe("b")];
    await took(log, "open");
    await took(order, "subscribe a", "subscribe b");
    for (let round = 1; round <= 2; round++) {
      await hub.disconnect("me", 1013);
      await took(log, "away", "lost unknown ", "open");
      await ws.confirm("then this");
      await took(order, "subscribe a", "subscribe b", "sent in lost", "then this");
      await hub.publish("a", `${round}`);
      assert.equal(await next(rooms[0] as Subscription), `${round}`);
      assert.deepEqual(rooms.map(({ recovered }) => recovered), [false, false]);
    }
    assert.deepEqual(order.waiting, []);
    assert.equal((await ws.subscribe("a")).recovered, true);
  });
});

test("client: a subscription that is not allowed again after lost ends with the error", () => {
  let allowed = true;
  return scene({ onSubscribe: () => allowed }, async ({ hub, open }) => {
    const { ws } = open();
    const room = await ws.subscribe("t");
    await hub.publish("t", "1");
    allowed = false;
    await hub.disconnect("me", 1013);
    assert.equal(await next(room), "1");
    await assert.rejects(room.next(), { code: "permission_denied" });
    assert.deepEqual(await room.next(), { done: true, value: undefined });
  });
});

test("client: the server may end a subscription, of which the page hears", () =>
  scene(all, async ({ hub, open }) => {
    const { ws } = open();
    const room = await ws.subscribe("t");
    await hub.unsubscribe("me", "t");
    await assert.rejects(room.next(), { code: "permission_denied", message: "the server ended the subscription" });
    const again = await ws.subscribe("t");
    await hub.publish("t", "1");
    assert.equal(await next(again), "1");
  }));

test("client: a page that does not read is told so, and the rest goes on", () =>
  scene(all, async ({ hub, open }) => {
    const { ws } = open();
    const slow = await ws.subscribe("t", { maxBytes: 200 });
    const other = await ws.subscribe("t");
    for (let at = 0; at < 4; at++) await hub.publish("t", `${at}`);
    for (let at = 0; at < 4; at++) assert.equal(await next(other), `${at}`);
    for (let at = 0; at < 3; at++) assert.equal(await next(slow), `${at}`);
    await assert.rejects(slow.next(), { code: "resource_exhausted" });
  }));

test("client: a signal and a time end a subscription, before it holds and after", () => {
  const decided = Promise.withResolvers<boolean>();
  const asked = new Events<string>("a decision to make");
  const session: Session = {
    onSubscribe(_, topic) {
      asked.add(topic);
      return topic === "slow" ? decided.promise : true;
    },
  };
  return scene(session, async ({ hub, open }) => {
    const { ws } = open();
    const before = new AbortController();
    const after = new AbortController();
    const room = await ws.subscribe("t", { signal: after.signal });
    const waits = ws.subscribe("slow", { signal: before.signal });
    assert.deepEqual([await asked.next(), await asked.next()], ["t", "slow"]);
    await assert.rejects(ws.subscribe("slow", { timeoutMs: 20 }), { code: "deadline_exceeded" });
    before.abort(new Error("mine"));
    after.abort(new Error("also mine"));
    await assert.rejects(waits, /mine/);
    await assert.rejects(room.next(), /also mine/);
    await assert.rejects(ws.subscribe("t", { signal: AbortSignal.abort(new Error("early")) }), /early/);
    decided.resolve(true);
    await ws.subscribe("last");
    assert.deepEqual([(await hub.members("t")).ids, (await hub.members("slow")).ids], [[], []]);
  });
});

test("client: close ends subscriptions; a server that closes for good ends them with an error", () =>
  scene(all, async ({ hub, open }) => {
    const first = open();
    const room = await first.ws.subscribe("t");
    first.ws.close();
    assert.deepEqual(await room.next(), { done: true, value: undefined });
    await took(first.log, "open", "close 1005");
    await assert.rejects(first.ws.subscribe("t"), { code: "unavailable" });
    await assert.rejects(first.ws.request("r"), { code: "unavailable" });
    const second = await open().ws.subscribe("t");
    await hub.disconnect("me", 4401, "sign in");
    await assert.rejects(second.next(), { code: "unavailable", message: "closed with 4401 sign in" });
  }));

test("client: a plain server refuses subscriptions and calls, and never sees their lines", () => {
  const heard: string[] = [];
  const session = (): Session => ({ protocol: "chat", onEvent: (_, message) => void heard.push(String(message)) });
  return scene(session, async ({ url }) => {
    const ws = connect(url, { protocols: "chat" });
    const open = new Promise((resolve) => ws.addEventListener("open", resolve));
    await assert.rejects(ws.subscribe("t"), { code: "failed_precondition" });
    await within("the open event", open);
    await assert.rejects(ws.subscribe("t"), { code: "failed_precondition" });
    await assert.rejects(ws.publish("t", "m"), { code: "failed_precondition" });
    ws.send("hello");
    await until("the message", () => heard.length > 0);
    assert.deepEqual(heard, ["hello"]);
    ws.close();
  });
});

test("client: a handler of a subscription that throws stops nothing", () =>
  scene(all, async ({ hub, open }) => {
    const { ws } = open();
    const room = await ws.subscribe("t");
    await hub.publish("t", "1");
    await hub.publish("t", "2");
    const heard = new Events<string>("a message");
    const onmessage = ({ data }: Publication): void => {
      heard.add(String(data));
      if (data === "1") throw new Error("of the handler");
    };
    Object.assign(room, { onmessage });
    await hub.publish("t", "3");
    assert.deepEqual([await heard.next(), await heard.next(), await heard.next()], ["1", "2", "3"]);
  }));
