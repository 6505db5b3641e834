/** `client.setInfo`: what others see of a client changes, and those who watch are told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../src/client/client.ts";
import type { Session } from "../../src/client/session.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { PresenceEvent, PresenceWatch, WatchOptions } from "../../src/hub/presence-watch.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";
import { within } from "../kit/wait.ts";

const onNews: Session = { onConnect: (client) => client.subscribe("news") };

/** Connects a client that listens on "news"; returns its server side, once it does. */
async function join(hub: Hub, session: Session & { id: string }): Promise<Client> {
  await MemoryClient.open(hub, { ...onNews, ...session });
  await until(`${session.id} to listen`, () => hub.client(session.id)?.topics.has("news") === true);
  return hub.client(session.id) as Client;
}

async function take(watch: PresenceWatch, count: number): Promise<string[]> {
  const events: string[] = [];
  while (events.length < count) {
    const { value } = await within(`event ${events.length + 1} of ${count}`, watch.next());
    if (value) events.push(shown(value));
  }
  return events;
}

const shown = ({ type, id, info }: PresenceEvent): string => `${type} ${id} ${JSON.stringify(info)}`;

/** Watches "news" with an `onEvent` that writes each event down. */
function hear(hub: Hub, options: WatchOptions = {}): string[] {
  const heard: string[] = [];
  hub.watchPresence("news", { ...options, onEvent: (event) => heard.push(shown(event)) });
  return heard;
}

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

test("info: a change is told once per tick, as it is at the end of the tick, and members show it at once", async () => {
  await using hub = new Hub();
  const client = await join(hub, { id: "me", info: { at: 0 } });
  const heard = hear(hub);
  for (const at of [1, 2, 3]) client.setInfo({ at });
  assert.deepEqual((await hub.members("news", { info: true })).infos?.get("me"), { at: 3 });
  await tick();
  client.setInfo({ at: 3 });
  await tick();
  client.setInfo(undefined);
  await tick();
  assert.deepEqual(heard, [`join me {"at":0}`, `update me {"at":3}`, `update me undefined`]);
});

test("info: a change reaches the watches of every node, and the members that every node tells", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const client = await join(b.hub, { id: "me", info: 1 });
  const watches = [a, b, c].map(({ hub }) => hub.watchPresence("news"));
  for (const watch of watches) assert.deepEqual(await take(watch, 1), ["join me 1"]);
  for (const info of [2, { three: true }]) {
    client.setInfo(info);
    for (const watch of watches) assert.deepEqual(await take(watch, 1), [`update me ${JSON.stringify(info)}`]);
  }
  for (const { hub } of [a, c]) {
    assert.deepEqual((await hub.members("news", { info: true })).infos?.get("me"), { three: true });
  }
  client.close();
  for (const watch of watches) assert.deepEqual(await take(watch, 1), [`leave me {"three":true}`]);
});

test("info: a value without JSON or with too much of it throws, and changes nothing", async () => {
  await using hub = new Hub({ limits: { maxInfoBytes: 10 } });
  const client = await join(hub, { id: "me", info: "before" });
  const bad: readonly unknown[] = ["far too long", 10n, () => 1, Symbol("s")];
  for (const info of bad) assert.throws(() => client.setInfo(info as string), { code: "invalid_argument" });
  const two: readonly number[] = [1, 2];
  assert.throws(() => client.setInfo(...(two as [number])), { code: "invalid_argument" });
  await tick();
  assert.equal((await hub.members("news", { info: true })).infos?.get("me"), "before");
});

test("info: a resume and a newer connection bring the info of their own session, as an update", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const watch = a.hub.watchPresence("news");
  const session = (info: number): Session => ({ id: "me", info, ...onNews });
  const first = await V1Client.open(a.hub, session(1));
  assert.deepEqual(await take(watch, 1), ["join me 1"]);
  first.socket.terminate();
  const second = await V1Client.open(a.hub, session(2), `0.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  assert.deepEqual(await take(watch, 1), ["update me 2"]);
  second.socket.terminate();
  const third = await V1Client.open(b.hub, session(3), `0.${second.hello.token}`);
  assert.equal(third.hello.resumed, true);
  assert.deepEqual(await take(watch, 1), ["update me 3"]);
  await MemoryClient.open(a.hub, session(4));
  assert.deepEqual(await take(watch, 1), ["update me 4"]);
});

test("info: a watch by user hears the updates of each client of a user, and none of a client without one", async () => {
  await using hub = new Hub();
  const [tab, phone, nobody] = [
    await join(hub, { id: "tab", user: "alice", info: "tab" }),
    await join(hub, { id: "phone", user: "alice", info: "phone" }),
    await join(hub, { id: "nobody" }),
  ];
  const heard = hear(hub, { by: "user" });
  phone.setInfo("typing");
  nobody.setInfo("seen");
  await tick();
  tab.close();
  phone.setInfo("idle");
  await until("the tab to leave", () => hub.size === 2);
  await tick();
  phone.close();
  await until("the last one to leave", () => heard.at(-1)?.startsWith("leave") === true);
  assert.deepEqual(heard, [`join tab "tab"`, `update phone "typing"`, `update phone "idle"`, `leave phone "idle"`]);
});

test("info: a reader that lags hears the last state of each member, and nothing that came to nothing", async () => {
  await using hub = new Hub();
  const [back, gone, other] = [
    await join(hub, { id: "back", info: 0 }),
    await join(hub, { id: "gone", info: 0 }),
    await join(hub, { id: "other", info: 0 }),
  ];
  const watch = hub.watchPresence("news");
  assert.deepEqual(await take(watch, 3), ["join back 0", "join gone 0", "join other 0"]);
  for (const info of [1, 0]) {
    back.setInfo(info);
    gone.setInfo(info + 5);
    other.setInfo(info + 7);
    await tick();
  }
  await hub.unsubscribe("gone", "news");
  const fresh = await join(hub, { id: "new", info: 1 });
  fresh.setInfo(2);
  await tick();
  assert.deepEqual(await take(watch, 3), ["leave gone 5", "update other 7", "join new 2"]);
  await hub.unsubscribe("other", "news");
  await hub.subscribe("other", "news");
  other.setInfo(8);
  await tick();
  assert.deepEqual(await take(watch, 1), ["update other 8"]);
});

test("info: a reader that lags hears that an id left, even if another user's client had it meanwhile", async () => {
  await using hub = new Hub();
  await join(hub, { id: "me", user: "alice" });
  const watch = hub.watchPresence("news");
  assert.deepEqual(await take(watch, 1), ["join me undefined"]);
  const second = await MemoryClient.open(hub, { ...onNews, id: "me", user: "bob" });
  await until("bob to listen", () => hub.client("me")?.user === "bob" && hub.client("me")?.topics.has("news") === true);
  await second.close();
  await until("bob to leave", () => hub.size === 0);
  assert.deepEqual(await take(watch, 1), ["leave me undefined"]);
});
