/** Users and presence through a DistClient: by the Cluster service of a node, and straight to the owners. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { DistServer } from "../../src/distributed/dist-server.ts";
import type { Fetch } from "../../src/rpc/fetch.ts";
import type { PresenceWatch } from "../../src/hub/presence-watch.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";
import { within } from "../kit/wait.ts";

interface Scene {
  readonly nodes: readonly [MemoryNode, MemoryNode, MemoryNode];
  readonly sender: DistClient;
  /** Breaks the streams that are open. */
  readonly cut: () => void;
}

/** Runs with a client that sends through the first node, and with one that goes straight to the owners. */
async function scenes(run: (scene: Scene) => Promise<void>): Promise<void> {
  for (const through of [true, false]) {
    const storage = new MemoryStorage();
    await using cluster = new MemoryCluster(storage);
    const nodes = await threeNodes(cluster);
    const servers = new Map(nodes.map(({ hub, host }) => [host, new DistServer(hub)]));
    let cutter = new AbortController();
    const fetch: Fetch = async (url, init) => {
      const signals = [cutter.signal, ...(init?.signal ? [init.signal] : [])];
      const request = new Request(url, { ...init, signal: AbortSignal.any(signals) });
      const response = await servers.get(new URL(url).host)?.fetch(request);
      return response ?? new Response(null, { status: 404 });
    };
    const way = through ? { url: `http://${nodes[0].host}` } : { storage };
    using sender = new DistClient({ ...way, fetch, logger: silentLogger });
    const cut = (): void => {
      cutter.abort();
      cutter = new AbortController();
    };
    await run({ nodes, sender, cut });
  }
}

const alice = { user: "alice" };

test("users: a DistClient reaches the clients of a user on every node", () =>
  scenes(async ({ nodes: [a, b, c], sender }) => {
    const tabs = [await a.connect("tab-1", { ...alice, info: "one" }), await b.connect("tab-2", alice)];
    const user = sender.user("alice");
    assert.equal(await user.online(), true);
    assert.equal(await sender.user("bob").online(), false);
    assert.deepEqual(await user.emit("hi"), { delivered: 2, held: 0, dropped: 0, unreachable: [] });
    assert.equal((await user.emit(new Uint8Array([1]), { except: ["tab-2"] })).delivered, 1);
    assert.deepEqual(await tabs[0]?.take(2), ["hi", new Uint8Array([1])]);
    const { ids, infos } = await user.clients({ info: true });
    assert.deepEqual([[...ids].sort(), infos?.get("tab-1")], [["tab-1", "tab-2"], "one"]);
    assert.equal(await user.subscribe("news"), 2);
    assert.equal((await c.hub.publish("news", "now")).delivered, 2);
    assert.equal(await user.unsubscribe("news"), 2);
    assert.equal((await c.hub.publish("news", "later")).delivered, 0);
    await assert.rejects(sender.user("bob").request("?"), { code: "not_found" });
    const phone = await V1Client.open(b.hub, { id: "phone", ...alice });
    await until("the phone to be found", async () => (await user.clients()).ids.length === 3);
    const asked = user.request("accept?");
    assert.equal(await phone.next(), "~request 1\naccept?");
    phone.send("~reply 1\nyes");
    assert.equal(await asked, "yes");
    assert.equal(await user.disconnect(4401, "signed out"), 3);
    assert.deepEqual(await tabs[1]?.closed(), { code: 4401, reason: "signed out" });
    assert.throws(() => sender.user(""), { code: "invalid_argument" });
    await assert.rejects(user.subscribe(""), { code: "invalid_argument" });
  }));

async function take(watch: PresenceWatch, count: number): Promise<string[]> {
  const events: string[] = [];
  while (events.length < count) {
    const { value } = await within(`event ${events.length + 1} of ${count}`, watch.next());
    if (value) events.push(`${value.type} ${value.id} ${value.user ?? ""} ${JSON.stringify(value.info)}`);
  }
  return events.sort();
}

test("presence: a DistClient hears joins, updates and leaves, also after its stream broke", () =>
  scenes(async ({ nodes: [a, b], sender, cut }) => {
    const onNews = { onConnect: (client: { subscribe(topic: string): unknown }) => client.subscribe("news") };
    const first = await a.connect("first", { ...onNews, ...alice, info: 1 });
    await b.connect("second", onNews);
    await until("both to listen", async () => (await a.hub.count("news")).count === 2);
    const watch = sender.watchPresence("news");
    assert.deepEqual(await take(watch, 2), ["join first alice 1", "join second  undefined"]);
    await watch.ready;
    a.hub.client("first")?.setInfo(2);
    assert.deepEqual(await take(watch, 1), ["update first alice 2"]);
    cut();
    b.hub.client("second")?.setInfo("later");
    await first.close();
    await b.connect("third", onNews);
    const changes = ["join third  undefined", "leave first alice 2", `update second  "later"`];
    assert.deepEqual(await take(watch, 3), changes);
    await b.hub.disconnect("third");
    assert.deepEqual(await take(watch, 1), ["leave third  undefined"]);
    sender.close();
    assert.equal((await watch.next()).done, true);
  }));

test("presence: a DistClient watches by user, and is told why a node refuses it", () =>
  scenes(async ({ nodes: [a, b], sender }) => {
    const heard: string[] = [];
    const watch = sender.watchPresence("news", {
      by: "user",
      onEvent: ({ type, user }) => heard.push(`${type} ${user}`),
    });
    await watch.ready;
    const session = {
      ...alice,
      onConnect: (client: { subscribe(topic: string): unknown }) => client.subscribe("news"),
    };
    const tabs = [await a.connect("tab-1", session), await b.connect("tab-2", session)];
    await until("the first to join", () => heard.length === 1);
    for (const tab of tabs) await tab.close();
    await until("the last to leave", () => heard.length === 2);
    assert.deepEqual(heard, ["join alice", "leave alice"]);
    watch.close();
    assert.throws(() => sender.watchPresence(""), { code: "invalid_argument" });
    const fetch: Fetch = async () => Response.json({}, { status: 401 });
    using stranger = new DistClient({ url: `http://${a.host}`, fetch, logger: silentLogger });
    const refused = stranger.watchPresence("news");
    await assert.rejects(refused.ready, { code: "unauthenticated" });
    assert.equal((await refused.next()).done, true);
  }));
