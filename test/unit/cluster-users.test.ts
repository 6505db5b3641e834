import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../src/client/client.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { V1Client } from "../kit/v1-client.ts";
import { Events, within } from "../kit/wait.ts";

const alice: Session = { user: "alice" };

/** Connects as Alice's phone to a node, or comes back there. */
async function phone({ hub }: MemoryNode, session: Session = {}, resume?: string): Promise<V1Client> {
  const client = await V1Client.open(hub, { id: "phone", ...alice, ...session }, resume);
  while (!(await hub.online("phone"))) await new Promise((resolve) => setTimeout(resolve, 1));
  return client;
}

/** The storage commands that are sent from now on; those of leases and releases aside. */
function counted(storage: object): string[] {
  const commands: string[] = [];
  const named = storage as Record<string, (...args: unknown[]) => unknown>;
  for (const name of ["set", "get", "subscribe", "unsubscribe", "subscribers"]) {
    const original = named[name]?.bind(storage);
    named[name] = (...args) => {
      commands.push(name);
      return original?.(...args);
    };
  }
  return commands;
}

test("users: the verbs reach the clients of a user on every node", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const tabs = [await a.connect("tab-1", alice), await b.connect("tab-2", alice), await b.connect("tab-3", alice)];
  const bob = await b.connect("bob", { user: "bob" });
  for (const { hub } of [a, b, c]) {
    const user = hub.user("alice");
    assert.deepEqual(await user.emit("hi"), { delivered: 3, held: 0, dropped: 0, unreachable: [] });
    assert.equal(await user.online(), true);
    assert.deepEqual([...(await user.clients()).ids].sort(), ["tab-1", "tab-2", "tab-3"]);
    assert.equal(await hub.user("nobody").online(), false);
  }
  for (const tab of tabs) assert.deepEqual(await tab.take(3), ["hi", "hi", "hi"]);
  assert.deepEqual([a.hub.topics(), b.hub.topics()], [[], []]);
  assert.equal(await c.hub.user("alice").disconnect(4401, "signed out"), 3);
  for (const tab of tabs) assert.deepEqual(await tab.closed(), { code: 4401, reason: "signed out" });
  assert.deepEqual(bob.waiting, []);
});

test("users: nobody misses what is sent to a user after onConnect, from a node that sent to her before", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  assert.equal((await a.hub.user("alice").emit("0")).delivered, 0);
  const connected = new Events<Client>("a client in onConnect");
  const onConnect = async (client: Client): Promise<void> => {
    assert.equal((await a.hub.user("alice").emit(client.id)).unreachable.length, 0);
    connected.add(client);
  };
  for (const [index, node] of [b, c, b, a].entries()) {
    const client = await node.connect(`tab-${index}`, { ...alice, onConnect });
    await connected.next();
    assert.equal(await client.next(), `tab-${index}`);
  }
});

test("users: a client costs one claim, and only the first and the last of a user on a node cost another command", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const commands = counted(cluster.storage);
  const took = (): string[] => commands.splice(0).sort();
  await a.connect("tab-1", alice);
  assert.deepEqual(took(), ["set", "subscribe"]);
  await a.connect("tab-2", alice);
  assert.deepEqual(took(), ["set"]);
  await a.connect("tab-2", alice);
  assert.deepEqual(took(), ["set"], "a newer connection of the same id");
  await b.hub.user("alice").emit("first");
  assert.deepEqual(took(), ["subscribers"]);
  for (let round = 0; round < 10; round++) await b.hub.user("alice").emit("more");
  await b.hub.user("alice").online();
  await b.hub.user("alice").clients();
  assert.deepEqual(took(), []);
  await a.connect("nobody's");
  assert.deepEqual(took(), ["set"]);
});

test("users: the only client of a user that is replaced by a newer connection keeps the topic of the user", async () => {
  await using cluster = new MemoryCluster();
  const [a] = await threeNodes(cluster);
  await a.connect("tab", alice);
  const commands = counted(cluster.storage);
  const newer = await a.connect("tab", alice);
  assert.deepEqual(commands, ["set"]);
  assert.equal((await a.hub.user("alice").emit("hi")).delivered, 1);
  assert.equal(await newer.next(), "hi");
});

test("users: the first reply wins, whatever node it comes from", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  await V1Client.open(a.hub, { id: "silent", ...alice });
  const quick = await phone(b);
  await c.connect("plain", alice);
  const answer = c.hub.user("alice").request("take the call?");
  quick.send(`~reply ${/\d+/.exec(String(await quick.next()))?.[0]}\nyes`);
  assert.equal(await answer, "yes");
  await assert.rejects(c.hub.user("nobody").request("?"), { code: "not_found" });
});

test("users: a client that comes back on another node is still its user's, and gets what was sent meanwhile", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const first = await phone(a);
  first.socket.terminate();
  assert.deepEqual(await c.hub.user("alice").emit("held"), { delivered: 0, held: 1, dropped: 0, unreachable: [] });
  const resumed = Promise.withResolvers<void>();
  const second = await phone(b, { onResume: () => resumed.resolve() }, `0.${first.hello.token}`);
  await within("onResume", resumed.promise);
  assert.equal(second.hello.resumed, true);
  assert.equal((await c.hub.user("alice").emit("live")).delivered, 1);
  assert.deepEqual(await second.take(2), ["held", "live"]);
  assert.deepEqual((await c.hub.user("alice").clients()).ids, ["phone"]);
});

test("users: a session that names another user does not take a client over from another node", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const ends = new Events<number>("an end");
  const first = await phone(a, { onDisconnect: (_, code) => ends.add(code) });
  await c.hub.emit("phone", "for Alice");
  const second = await phone(b, { user: "mallory" }, `0.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, second.hello.lost], [false, "user"]);
  assert.equal(await ends.next(), 4409);
  assert.equal(await c.hub.user("alice").online(), false);
  while ((await c.hub.user("mallory").emit("hi")).delivered === 0) await new Promise((go) => setTimeout(go, 1));
  assert.equal(await second.next(), "hi");
});

test("users: of a node that died the clients are unreachable, and gone with its lease", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster, { leaseMs: 500 });
  const user = a.hub.user("alice");
  const left = new Events<string>("a node that left");
  a.hub.on("nodeleave", ({ node }) => left.add(node.host));
  await b.connect("tab-2", alice);
  assert.equal(await user.online(), true);
  await cluster.kill(b.host);
  const options = { timeoutMs: 100 };
  assert.deepEqual((await user.emit("hi", options)).unreachable, [b.host]);
  await assert.rejects(user.online(options), { code: "unavailable", message: /node-2:1 did not answer/ });
  await assert.rejects(user.request("?", options), { code: "unavailable" });
  await assert.rejects(user.disconnect(1000, "", options), { code: "unavailable" });
  const tab = await a.connect("tab-1", alice);
  assert.equal(await user.online(options), true);
  assert.equal(await left.next(), b.host);
  assert.deepEqual(await user.emit("hi"), { delivered: 1, held: 0, dropped: 0, unreachable: [] });
  assert.equal(await tab.next(), "hi");
});

test("users: a wiped storage learns the users of every node again", async () => {
  const storage = new MemoryStorage();
  await using cluster = new MemoryCluster(storage);
  const [a, b] = await threeNodes(cluster, { leaseMs: 300 });
  await b.connect("tab", alice);
  storage.wipe();
  const fresh = await cluster.start({ leaseMs: 300 });
  const reached = async (): Promise<void> => {
    while ((await fresh.hub.user("alice").emit("hi")).delivered === 0) await new Promise((go) => setTimeout(go, 10));
  };
  await within("an emit that arrives", reached());
  assert.equal(await a.hub.user("alice").online(), true);
});

test("users: a client whose user the storage cannot take is closed with 1013, rather than reached by half", async () => {
  const storage = new MemoryStorage();
  await using cluster = new MemoryCluster(storage);
  const [a] = await threeNodes(cluster);
  const subscribe = storage.subscribe.bind(storage);
  storage.subscribe = () => Promise.reject(new Error("no room"));
  const refused = await V1Client.open(a.hub, { id: "phone", ...alice });
  assert.equal(await refused.closed(), 1013);
  storage.subscribe = subscribe;
  await a.connect("phone", alice);
  assert.equal((await a.hub.user("alice").emit("hi")).delivered, 1);
});

test("users: presence by user counts the clients of all nodes", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const inRoom = (user: string): Session => ({ user, onConnect: (client) => client.subscribe("room") });
  const tab1 = await a.connect("tab-1", inRoom("alice"));
  const watch = c.hub.watchPresence("room", { by: "user" });
  await watch.ready;
  const next = async (): Promise<string> => {
    const { value } = await within("an event", watch.next());
    return `${value?.type} ${value?.user}`;
  };
  assert.equal(await next(), "join alice");
  const tab2 = await b.connect("tab-2", inRoom("alice"));
  await b.connect("bob", inRoom("bob"));
  assert.equal(await next(), "join bob");
  await tab1.close();
  await a.connect("carol", inRoom("carol"));
  assert.equal(await next(), "join carol");
  await tab2.close();
  assert.equal(await next(), "leave alice");
});
