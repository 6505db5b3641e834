/** The Cluster service for those who watch a cluster: state, pages, drain, rights. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { DistServer } from "../../src/distributed/dist-server.ts";
import { Cluster } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import { RIGHTS } from "../../src/rpc/access.ts";
import { bearer } from "../../src/rpc/bearer.ts";
import { createToken } from "../../src/rpc/token.ts";
import { VERSION } from "../../src/watch/version.ts";
import { readSource } from "../meta/source.ts";
import { MemoryCluster, type MemoryNode } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";

const SECRET = "a secret of more than thirty-two bytes";
const KEY = "an API key of more than thirty-two bytes";

function clusterOf({ hub }: MemoryNode, secret?: string): Client<typeof Cluster> {
  const plain = createRouterTransport(new DistServer(hub).routes);
  return createClient(
    Cluster,
    secret === undefined ? plain : bearer(plain, () => createToken({ secret, audience: "cluster" })),
  );
}

test("the version is that of the package", () => {
  assert.equal(VERSION, (JSON.parse(readSource("package.json").text) as { version: string }).version);
});

test("each call of the Cluster service belongs to one right", () => {
  const calls = Object.values(RIGHTS).flat();
  assert.deepEqual([...calls].sort(), Cluster.methods.map(({ name }) => name).sort());
});

test("every node tells its state, and one that does not answer is named", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  await b.connect("alice", { user: "al", onConnect: (client) => client.subscribe("room") });
  await a.hub.emit("alice", "hi");
  const { nodes } = await clusterOf(a).nodes({ state: true });
  assert.deepEqual(nodes.map(({ host, unheard }) => [host, unheard]), [[a.host, ""], [b.host, ""]]);
  const [own, other] = nodes.map(({ state }) => state);
  assert.ok(own && other);
  assert.deepEqual([own.status, own.reason, own.version], ["ready", "", VERSION]);
  assert.deepEqual([other.totals["connects"], other.totals["sent"], other.totals["sent_bytes"]], [1, 1, 4]);
  assert.deepEqual([own.clients, other.clients, other.topics], [0n, 1n, 1n]);
  assert.ok(own.leaseLeftMs > 0 && own.leaseLeftMs <= own.leaseMs);
  assert.ok(own.memoryBytes > 1_000_000n && own.loopDelayMs >= 0);
  assert.deepEqual(own.links.map(({ host, open }) => [host, open]), [[b.host, true]]);
  cluster.down.add(b.host);
  const after = await clusterOf(a).nodes({ state: true });
  assert.equal(after.nodes[1]?.state, undefined);
  assert.match(after.nodes[1]?.unheard ?? "", /node-2:1/);
  assert.deepEqual((await clusterOf(a).nodes({})).nodes.map(({ state }) => state), [undefined, undefined]);
});

test("clients and topics come in pages over all nodes, in their order, and are searched by a part of the name", async () => {
  await using cluster = new MemoryCluster();
  const nodes = [await cluster.start(), await cluster.start()] as const;
  for (let at = 0; at < 25; at++) {
    const node = nodes[at % 2] ?? nodes[0];
    const onConnect = (client: { subscribe(topics: string[]): Promise<void> }) =>
      client.subscribe(["all", `t${at % 7}`]);
    await node.connect(`user-${String(at).padStart(2, "0")}`, { onConnect });
  }
  const caller = clusterOf(nodes[0]);
  const ids: string[] = [];
  for (let after = "";;) {
    const { clients, total } = await caller.clients({ limit: 4, after });
    assert.equal(total, 25n);
    ids.push(...clients.map(({ id }) => id));
    if (clients.length < 4) break;
    after = ids.at(-1) ?? "";
  }
  assert.deepEqual(ids, Array.from({ length: 25 }, (_, at) => `user-${String(at).padStart(2, "0")}`));
  const found = await caller.clients({ search: "r-1" });
  assert.deepEqual([found.total, found.clients.length, found.clients[0]?.id], [10n, 10, "user-10"]);
  const { topics } = await caller.topics({});
  assert.deepEqual(topics.map(({ topic, listeners }) => [topic, Number(listeners)])[0], ["all", 25]);
  assert.deepEqual(topics[0]?.hosts.length, 2);
  assert.deepEqual((await caller.topics({ search: "t3" })).topics.map(({ topic }) => topic), ["t3"]);
});

test("a node that is told to drain moves its clients, leaves and is closed", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  const client = await b.connect("alice");
  const { clients } = await clusterOf(a).drain({ host: b.host });
  assert.equal(clients, 1n);
  assert.equal((await client.untilClosed).code, 1012);
  await until("the node to be closed", () => b.hub.status === "closed" && a.hub.nodes().length === 1);
  await assert.rejects(
    clusterOf(a).drain({ host: b.host }),
    (error: unknown) => error instanceof ConnectError && error.code === Code.NotFound,
  );
});

test("a key opens the calls of its rights and no others", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start({
    secret: SECRET,
    apiKeys: [{ secret: KEY, rights: ["read"] }, { secret: `${KEY} 2`, rights: ["send", "drain"], calls: ["Online"] }],
  });
  const denied = (error: unknown) => error instanceof ConnectError && error.code === Code.PermissionDenied;
  const reader = clusterOf(node, KEY);
  assert.equal((await reader.nodes({ state: true })).nodes.length, 1);
  await reader.why({ subject: { case: "id", value: "alice" } });
  await assert.rejects(reader.emit({ id: "alice" }), denied);
  await assert.rejects(reader.drain({ host: node.host }), denied);
  await assert.rejects(reader.disconnect({ id: "a" }), denied);
  const sender = clusterOf(node, `${KEY} 2`);
  assert.equal((await sender.emit({ id: "alice", data: new Uint8Array([65]) })).accepted, false);
  assert.equal((await sender.online({ id: "alice" })).online, false);
  await assert.rejects(sender.nodes({}), denied);
  await assert.rejects(cluster.start({ secret: SECRET, apiKeys: [{ secret: KEY, rights: ["write" as "read"] }] }), {
    code: "invalid_argument",
    message: /apiKeys\[0\]\.rights must be a list of "read", "send"/,
  });
});
