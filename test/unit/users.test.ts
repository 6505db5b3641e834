import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../src/client/client.ts";
import type { Session } from "../../src/client/session.ts";
import { Hub } from "../../src/hub/hub.ts";
import { V1_PROTOCOL } from "../../src/wire/v1.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { V1Client } from "../kit/v1-client.ts";
import { Events } from "../kit/wait.ts";

const isInvalid = (message: RegExp): object => ({ name: "TypeError", code: "invalid_argument", message });
const alices = (id: string, session: Session = {}): Session => ({ id, user: "alice", ...session });
const answers = (id: string, reply: (socket: V1Client, line: string) => void) => async (hub: Hub) => {
  const client = await V1Client.open(hub, alices(id));
  void (async () => reply(client, String(await client.next())))();
  return client;
};

test("users: an emit reaches every client of the user, and nobody else", async () => {
  await using hub = new Hub();
  const [phone, laptop, bob] = await Promise.all([
    MemoryClient.open(hub, alices("phone")),
    MemoryClient.open(hub, alices("laptop")),
    MemoryClient.open(hub, { id: "bob", user: "bob" }),
  ]);
  const outcome = { delivered: 2, held: 0, dropped: 0, unreachable: [] };
  assert.deepEqual(await hub.user("alice").emit("hi"), outcome);
  assert.deepEqual([await phone.next(), await laptop.next()], ["hi", "hi"]);
  assert.equal((await hub.user("alice").emit("seen", { except: ["phone"] })).delivered, 1);
  assert.equal(await laptop.next(), "seen");
  assert.deepEqual([phone.waiting, bob.waiting], [[], []]);
  assert.equal((await hub.user("nobody").emit("hi")).delivered, 0);
});

test("users: who is online, with which clients and infos, until the last has left", async () => {
  await using hub = new Hub();
  const alice = hub.user("alice");
  assert.equal(await alice.online(), false);
  const gone = new Events<string>("a client that left");
  const onDisconnect = (client: Client): void => gone.add(client.id);
  const phone = await MemoryClient.open(hub, alices("phone", { info: "mobile", onDisconnect }));
  const laptop = await MemoryClient.open(hub, alices("laptop", { onDisconnect }));
  assert.equal(await alice.online(), true);
  const { ids, infos } = await alice.clients({ info: true });
  assert.deepEqual([[...ids].sort(), infos?.get("phone")], [["laptop", "phone"], "mobile"]);
  await phone.close();
  assert.equal(await gone.next(), "phone");
  assert.deepEqual(await alice.clients(), { ids: ["laptop"], unreachable: [] });
  await laptop.close();
  assert.equal(await gone.next(), "laptop");
  assert.equal(await alice.online(), false);
});

test("users: disconnect closes all clients of the user in order, and says how many", async () => {
  await using hub = new Hub();
  const [phone, laptop] = [
    await MemoryClient.open(hub, alices("phone")),
    await MemoryClient.open(hub, alices("laptop")),
  ];
  const alice = hub.user("alice");
  const [, closed] = await Promise.all([alice.emit("bye"), alice.disconnect(4401, "signed out")]);
  assert.equal(closed, 2);
  for (const client of [phone, laptop]) {
    assert.equal(await client.next(), "bye");
    assert.deepEqual(await client.closed(), { code: 4401, reason: "signed out" });
  }
  assert.equal(await alice.disconnect(), 0);
});

test("users: a request takes the first reply and gives the others up", async () => {
  await using hub = new Hub();
  const silent = await answers("silent", () => {})(hub);
  const quick = await answers("quick", (client, line) => client.send(`~reply ${/\d+/.exec(line)?.[0]}\nyes`))(hub);
  await MemoryClient.open(hub, alices("plain"));
  assert.equal(await hub.user("alice").request("take the call?"), "yes");
  assert.equal(silent.socket.readyState, WebSocket.OPEN);
  quick.socket.close(1000);
});

test("users: a request that nobody can answer says why", async () => {
  await using hub = new Hub();
  const alice = hub.user("alice");
  await assert.rejects(alice.request("?"), { code: "not_found" });
  await MemoryClient.open(hub, alices("plain"));
  await assert.rejects(alice.request("?"), { code: "failed_precondition" });
  await answers("silent", () => {})(hub);
  await assert.rejects(alice.request("?", { timeoutMs: 20 }), { code: "deadline_exceeded" });
  await assert.rejects(alice.request("?", { signal: AbortSignal.abort(new Error("stop")) }), /stop/);
});

test("users: a client names its user, and neither its topics nor those of the hub show it", async () => {
  await using hub = new Hub();
  const seen = Promise.withResolvers<Client>();
  await MemoryClient.open(hub, alices("phone", { onConnect: (client) => seen.resolve(client) }));
  const client = await seen.promise;
  assert.equal(client.user, "alice");
  assert.deepEqual([[...client.topics], hub.topics()], [[], []]);
  await client.subscribe("news");
  assert.deepEqual([[...client.topics], hub.topics()], [["news"], ["news"]]);
  assert.equal(await hub.unsubscribe("phone", "news"), true);
  assert.equal(await hub.user("alice").online(), true);
});

test("users: the topics of users are refused wherever an application names a topic", async () => {
  await using hub = new Hub();
  const seen = Promise.withResolvers<Client>();
  await MemoryClient.open(hub, alices("phone", { onConnect: (client) => seen.resolve(client) }));
  const client = await seen.promise;
  const topic = "meshsocket:user:alice";
  const refused = isInvalid(/must not begin with "meshsocket:".*hub\.user\(name\)/);
  await assert.rejects(hub.publish(topic, "hi"), refused);
  await assert.rejects(hub.subscribe("phone", topic), refused);
  await assert.rejects(hub.unsubscribe("phone", topic), refused);
  await assert.rejects(hub.members(topic), refused);
  await assert.rejects(hub.count(topic), refused);
  await assert.rejects(client.subscribe(topic), refused);
  await assert.rejects(client.unsubscribe([topic]), refused);
  await assert.rejects(client.publish(topic, "hi"), refused);
  assert.throws(() => hub.watchPresence(topic), refused);
});

test("users: wrong arguments say what to write instead", async () => {
  await using hub = new Hub();
  assert.throws(() => hub.user(""), isInvalid(/the user must not be empty/));
  assert.throws(() => hub.user(7 as unknown as string), isInvalid(/the user must be a string, not number/));
  const alice = hub.user("alice");
  const wrong = alice as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  await assert.rejects(async () => await wrong["emit"]?.("a", {}, "b"), isInvalid(/write emit\(message, options\)/));
  await assert.rejects(alice.emit("a", { excpet: [] } as object), isInvalid(/excpet/));
  await assert.rejects(alice.disconnect(1006), isInvalid(/1006 is not a close code/));
  await assert.rejects(alice.emit(null as unknown as string), isInvalid(/message/));
  assert.throws(() => hub.watchPresence("room", { by: "name" as "user" }), isInvalid(/by must be "id" or "user"/));
});

test("users: a session whose user cannot be one is refused", async () => {
  await using hub = new Hub();
  const refused = new Events<unknown>("a refusal");
  hub.on("refused", ({ reason, status }) => refused.add([reason, status]));
  await assert.rejects(MemoryClient.open(hub, { user: "" }), /refused with 400/);
  assert.deepEqual(await refused.next(), ["user", 400]);
  await assert.rejects(MemoryClient.open(hub, { user: 7 as unknown as string }), /refused with 500/);
});

test("users: one client more than maxClientsPerUser is refused with 429, and its place is free again when one leaves", async () => {
  await using hub = new Hub({ limits: { maxClientsPerUser: 2 } });
  const gone = new Events<string>("a client that left");
  const onDisconnect = (client: Client): void => gone.add(client.id);
  const open = (id: string): Promise<MemoryClient> => MemoryClient.open(hub, alices(id, { onDisconnect }));
  const [one] = [await open("1"), await open("2")];
  await assert.rejects(open("3"), /refused with 429/);
  await MemoryClient.open(hub, { user: "bob" });
  const again = await open("1");
  assert.equal((await one.closed()).code, 4409);
  assert.equal(await gone.next(), "1");
  await again.close();
  assert.equal(await gone.next(), "1");
  await open("3");
  await assert.rejects(open("4"), /refused with 429/);
});

test("users: upgrades that come at once do not get past maxClientsPerUser, and those that end early leave their place", async () => {
  await using hub = new Hub({ limits: { maxClientsPerUser: 2 } });
  const results = await Promise.allSettled(["1", "2", "3", "4"].map((id) => MemoryClient.open(hub, alices(id))));
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 2);
  assert.equal((await hub.user("alice").clients()).ids.length, 2);
  await hub.user("alice").disconnect();
  await using oldest = new Hub({ duplicateIds: "oldest", limits: { maxClientsPerUser: 2 } });
  await MemoryClient.open(oldest, alices("1"));
  for (let round = 0; round < 3; round++) {
    await assert.rejects(MemoryClient.open(oldest, alices("1")), /refused with 409/);
  }
  await MemoryClient.open(oldest, alices("2"));
});

test("users: one too many after a first message is closed with 1013", async () => {
  await using hub = new Hub({ limits: { maxClientsPerUser: 1 } });
  await MemoryClient.open(hub, alices("1"));
  const late = await MemoryClient.open(hub, { authenticate: () => alices("2") });
  late.send("token");
  assert.equal((await late.closed()).code, 1013);
});

test("users: a client that resumes is still its user's, and messages to the user are held for it", async () => {
  await using hub = new Hub();
  const away = new Events<string>("an away client");
  const first = await V1Client.open(hub, alices("phone", { onAway: () => away.add("away") }));
  first.socket.terminate();
  await away.next();
  assert.equal(await hub.user("alice").online(), true);
  assert.deepEqual(await hub.user("alice").emit("held"), { delivered: 0, held: 1, dropped: 0, unreachable: [] });
  const second = await V1Client.open(hub, alices("phone"), `0.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  assert.equal(await second.next(), "held");
  assert.equal((await hub.user("alice").emit("live")).delivered, 1);
  assert.equal(await second.next(), "live");
});

test("users: a session that names another user does not resume, and hears why", async () => {
  for (const user of ["mallory", undefined]) {
    await using hub = new Hub();
    const first = await V1Client.open(hub, alices("phone"));
    first.socket.terminate();
    const second = await V1Client.open(hub, { id: "phone", user }, `0.${first.hello.token}`);
    assert.deepEqual([second.hello.resumed, second.hello.lost], [false, "user"]);
    assert.equal(await hub.user("alice").online(), false);
    if (user) assert.deepEqual((await hub.user(user).clients()).ids, ["phone"]);
  }
});

test("users: where the oldest wins, a session of another user does not replace a client that is connected", async () => {
  await using hub = new Hub({ duplicateIds: "oldest" });
  const first = await V1Client.open(hub, alices("phone"));
  const mallory = V1Client.open(hub, { id: "phone", user: "mallory" }, `0.${first.hello.token}`);
  await assert.rejects(mallory, /refused with 409/);
  assert.equal(first.socket.readyState, WebSocket.OPEN);
});

test("users: presence by user joins with the first client and leaves with the last", async () => {
  await using hub = new Hub();
  const onConnect = (client: Client): Promise<void> => client.subscribe("room");
  const watch = hub.watchPresence("room", { by: "user" });
  const open = (session: Session): Promise<MemoryClient> => MemoryClient.open(hub, { ...session, onConnect });
  const phone = await open(alices("phone", { info: "mobile" }));
  assert.deepEqual((await watch.next()).value, { type: "join", id: "phone", user: "alice", info: "mobile" });
  const laptop = await open(alices("laptop"));
  await open({ id: "nobody's" });
  await open({ id: "bob-1", user: "bob" });
  assert.equal((await watch.next()).value?.user, "bob");
  await phone.close();
  await laptop.close();
  const last = (await watch.next()).value;
  assert.deepEqual([last?.type, last?.id, last?.user], ["leave", "laptop", "alice"]);
  watch.close();
});

test("users: an id that comes back with another user leaves and joins", async () => {
  await using hub = new Hub();
  const onConnect = (client: Client): Promise<void> => client.subscribe("room");
  const seen: string[] = [];
  const joined = new Events<string>("an event");
  for (const by of ["id", "user"] as const) {
    hub.watchPresence("room", { by, onEvent: ({ type, id, user }) => joined.add(`${by} ${type} ${id} ${user}`) });
  }
  await MemoryClient.open(hub, { id: "tab", user: "alice", onConnect });
  await MemoryClient.open(hub, { id: "tab", user: "bob", onConnect });
  while (seen.length < 6) seen.push(await joined.next());
  for (const by of ["id", "user"]) {
    const own = seen.filter((event) => event.startsWith(`${by} `));
    assert.deepEqual(own, [`${by} join tab alice`, `${by} leave tab alice`, `${by} join tab bob`]);
  }
});

test("users: protocol of a plain client does not matter", async () => {
  await using hub = new Hub();
  const plain = await MemoryClient.open(hub, alices("plain"));
  const spoken = await MemoryClient.open(hub, alices("v1", { protocol: V1_PROTOCOL }));
  assert.equal((await hub.user("alice").emit("~hi")).delivered, 2);
  assert.deepEqual([await plain.next(), await spoken.next()], ["~hi", "~~hi"]);
});
