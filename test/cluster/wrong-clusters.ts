/** What can be wrong with a cluster, what its nodes do and say, and what the verbs return meanwhile. Run by wrong-clusters.test.ts. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { create } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import type { MeshError } from "../../src/base/error.ts";
import { HelloResponseSchema, Node } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { selfSigned } from "../kit/certificate.ts";
import { freePort } from "../kit/free-port.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { NodeProcess } from "../kit/node-process.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";
import { snapshotOf } from "../kit/redis-rewind.ts";
import { runtime } from "../kit/runtime.ts";
import { loadServe } from "../kit/servers.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { until } from "../kit/until.ts";
import { LEASE_MS, logged, OTHER_SECRET, Rig, type RigNode, SECRET, unreachable, works } from "./wrong-cluster-rig.ts";

/** One wrong cluster. */
export interface WrongCluster {
  readonly title: string;
  /** What the nodes do. */
  readonly state: string;
  /** The line that one of them logs or rejects with, or several of which it is one; HOST is an address, N a number. */
  readonly line: string | readonly string[];
  /** What the verbs return meanwhile. */
  readonly results: string;
  /** Makes it and checks state and results; returns the line. */
  readonly run: (rig: Rig) => Promise<string>;
}

const REFUSES = "the new node refuses to start; the others stay ready";
const UNAFFECTED = "unaffected: the new node never has a client";
const NAMED = "sends between the two reject or name the host; all others arrive";
const ADVICE =
  "give all nodes under one prefix the same secret and the right time, and each application its own prefix";
const SHARED = "advertise HOST leads to another node: give each node its own";
const TAKEN =
  "the lease of HOST ended although it was renewed in time: either another node advertises this address too, or " +
  "the storage lost its last writes";
const NO_NODE = [
  "no meshsocket node answers at HOST",
  "HOST ended the connection before it answered: is it another server, or is TLS set on one side only?",
];
const SET_ADVERTISE = "set rpc.advertise to an address at which the other nodes reach its RPC port";
const IN_MEMORY = ["10.0.0.1:8081", "10.0.0.2:8081", "10.0.0.3:8081"] as const;

export const WRONG_CLUSTERS: readonly WrongCluster[] = [
  {
    title: "two nodes advertise one address",
    state: REFUSES,
    line: SHARED,
    results: UNAFFECTED,
    async run(rig) {
      const [a, b] = [await rig.node(), await rig.node()];
      const line = await rig.refused(rig.node({ rpc: { advertise: a.host } }));
      await works([a, b]);
      return line;
    },
  },
  {
    title: "an advertised address at which nothing listens",
    state: REFUSES,
    line: `advertise HOST does not lead to this node: HOST cannot be reached (ECONNREFUSED): ${SET_ADVERTISE}`,
    results: UNAFFECTED,
    async run(rig) {
      const a = await rig.node();
      const advertise = "127.0.0.1:9";
      const line = await rig.refused(rig.node({ rpc: { advertise }, hub: { limits: { timeoutMs: 300 } } }));
      await works([a]);
      // Each runtime has a word of its own for it.
      return line.replace(/cannot be reached( \(ConnectionRefused\))?:/, "cannot be reached (ECONNREFUSED):");
    },
  },
  {
    title: "an advertised address of another server",
    state: REFUSES,
    line: NO_NODE.map((why) => `advertise HOST does not lead to this node: ${why}: ${SET_ADVERTISE}`),
    results: UNAFFECTED,
    async run(rig) {
      const a = await rig.node();
      const line = await rig.refused(rig.node({ rpc: { advertise: await rig.web() } }));
      await works([a]);
      return line;
    },
  },
  {
    title: "an advertised address of a node of another cluster",
    state: REFUSES,
    line: SHARED,
    results: UNAFFECTED,
    async run(rig) {
      await using other = new Rig();
      const { host } = await other.node({ hub: { secret: OTHER_SECRET } });
      const a = await rig.node();
      const line = await rig.refused(rig.node({ rpc: { advertise: host } }));
      await works([a]);
      return line;
    },
  },
  {
    title: "an address that leads to a newer node after the older one joined",
    state: "the older node is degraded, closes its clients with 1012 and takes no new ones; the newer one is ready",
    line: SHARED,
    results: "every client is where the storage says; the older node still reaches the others",
    async run(rig) {
      const proxy = await openProxy(rig);
      const older = await behind(rig, proxy);
      const ann = await older.connect("ann");
      const newer = await behind(rig, proxy);
      assert.equal((await ann.closed()).code, 1012);
      const line = await logged(older, "leads to another node");
      assert.equal(older.hub.status, "degraded");
      await assert.rejects(older.connect("eve"), /503/);
      const third = await rig.node({ hub: { leaseMs: LEASE_MS } });
      // The older one took its lease for a moment.
      await logged(newer, "renewed in time");
      await until("the newer one to be ready", () => newer.hub.status === "ready");
      await works([newer, third]);
      await newer.connect("bob");
      assert.equal(await third.hub.emit("ann", "gone"), false);
      assert.equal(await older.hub.emit("bob", "hi"), true);
      assert.deepEqual((await older.hub.broadcast("hi")).unreachable, []);
      return line;
    },
  },
  {
    title: "two nodes behind one address of a balancer, each of which meets itself there",
    state: "one of them stays ready, the other is degraded and sends its clients away",
    line: [SHARED, TAKEN],
    results: "every client is where the storage says",
    async run(rig) {
      const balancer = await openBalancer(rig);
      const a = await behind(rig, balancer);
      const b = await behind(rig, balancer);
      balancer.balance();
      const line = await Promise.any([logged(a, a.host), logged(b, b.host)]);
      await until("one to give way", () => [a, b].some((node) => node.hub.status === "degraded"));
      await until("one to be ready", () => [a, b].some((node) => node.hub.status === "ready"));
      return line;
    },
  },
  {
    title: "a node of an older version takes the address of another one",
    state: "the node whose lease was taken is degraded until a renewal shows that it has it again",
    line: TAKEN,
    results: "sends to clients of the older node reject with unavailable; those of the other are claimed again",
    async run(rig) {
      const [a, b] = [await rig.node({ hub: { leaseMs: 6 * LEASE_MS } }), await rig.node()];
      const degraded = new Promise((resolve) => a.hub.on("degraded", resolve));
      const ann = await a.connect("ann");
      const taker = { host: a.host, life: "a life that never dialled" };
      await rig.storage.renew(taker, 60_000);
      await rig.storage.set(["bob"], taker);
      await unreachable(b.hub.emit("bob", "hi"), a.host);
      await degraded;
      const line = await logged(a, "renewed in time");
      await until("the node to be ready", () => a.hub.status === "ready");
      await until("ann to be found", () => b.hub.emit("ann", "hi").catch(() => false));
      assert.equal(await ann.next(), "hi");
      return line;
    },
  },
  {
    title: "nodes with different secrets under one prefix, or those of two applications",
    state: REFUSES,
    line: `HOST refused this node's token: it has another secret: ${ADVICE}`,
    results: UNAFFECTED,
    run: (rig) => newcomer(rig, {}, { secret: OTHER_SECRET }),
  },
  {
    title: "a node without a secret among nodes that have one",
    state: REFUSES,
    line: `HOST refused this node's token: it has a secret and this node has none: ${ADVICE}`,
    results: UNAFFECTED,
    run: (rig) => newcomer(rig, {}, { secret: undefined }),
  },
  {
    title: "a node with a secret among nodes that have none",
    state: REFUSES,
    line:
      `HOST does not reach this node: HOST refused this node's token: it has a secret and this node has none: ${ADVICE}`,
    results: UNAFFECTED,
    run: (rig) => newcomer(rig, { secret: undefined }, {}),
  },
  {
    title: "a rotation of secrets in the wrong order: one side accepts what the other mints, and not the reverse",
    state: REFUSES,
    line: `HOST does not reach this node: HOST refused this node's token: it has another secret: ${ADVICE}`,
    results: UNAFFECTED,
    run: (rig) => newcomer(rig, { secret: [SECRET, OTHER_SECRET] }, { secret: OTHER_SECRET }),
  },
  {
    title: "a clock that is ten minutes behind",
    state: REFUSES,
    line: `HOST refused this node's token: expired: is a clock off?: ${ADVICE}`,
    results: UNAFFECTED,
    run: (rig) => wrongClock(rig, -600_000),
  },
  {
    title: "a clock that is ten minutes ahead",
    state: REFUSES,
    line: `HOST does not reach this node: HOST refused this node's token: expired: is a clock off?: ${ADVICE}`,
    results: UNAFFECTED,
    run: (rig) => wrongClock(rig, 600_000),
  },
  {
    title: "an entry of something else among the nodes of the prefix",
    state: "ready",
    line: NO_NODE,
    results: NAMED,
    async run(rig) {
      const host = await rig.web();
      await rig.storage.renew({ host, life: "something else" }, 60_000);
      await rig.storage.set(["bob"], { host, life: "something else" });
      const a = await rig.node({ hub: { leaseMs: LEASE_MS } });
      await a.connect("ann");
      assert.deepEqual(await a.hub.broadcast("hi"), { ...(await a.hub.broadcast("hi")), unreachable: [host] });
      await unreachable(a.hub.emit("bob", "hi"), host);
      return await logged(a, host);
    },
  },
  {
    title: "a node that one of the others cannot reach (a firewall, an asymmetric partition)",
    state: "ready, once the node that it cannot tell of itself must have read of it in the storage",
    line: "HOST cannot be reached (EHOSTUNREACH)",
    results: NAMED,
    async run(rig) {
      const [first, second, third] = IN_MEMORY;
      const [a, b] = [await rig.memoryNode(first, { leaseMs: LEASE_MS }), await rig.memoryNode(second)];
      rig.blocked.add(`${third} ${first}`);
      const c = await rig.memoryNode(third, { leaseMs: LEASE_MS });
      await a.connect("ann");
      await c.connect("cy");
      await unreachable(c.hub.emit("ann", "hi"), a.host);
      assert.deepEqual((await c.hub.broadcast("hi")).unreachable, [a.host]);
      assert.equal((await a.hub.broadcast("hi")).delivered, 2);
      await works([a, b]);
      await works([b, c].slice(0, 1));
      return await logged(c, a.host);
    },
  },
  {
    title: "a node that none of the others reaches",
    state: REFUSES,
    line: "HOST does not reach this node: HOST cannot be reached (EHOSTUNREACH)",
    results: UNAFFECTED,
    async run(rig) {
      const [first, second, third] = IN_MEMORY;
      const [a, b] = [await rig.memoryNode(first), await rig.memoryNode(second)];
      for (const host of [first, second]) rig.blocked.add(`${host} ${third}`);
      const line = await rig.refused(rig.memoryNode(third, { limits: { timeoutMs: 200 } }));
      await works([a, b]);
      return line;
    },
  },
  {
    title: "a node that advertises a loopback address among nodes of other machines",
    state: REFUSES,
    line:
      "HOST does not reach this node: HOST cannot be reached (EHOSTUNREACH): a loopback address leads each machine to " +
      "itself: set rpc.advertise to the address of its machine",
    results: UNAFFECTED,
    async run(rig) {
      const [first] = IN_MEMORY;
      const a = await rig.memoryNode(first);
      rig.blocked.add(`${first} 127.0.0.1:8081`);
      const line = await rig.refused(rig.memoryNode("127.0.0.1:8081", { limits: { timeoutMs: 200 } }));
      await works([a]);
      return line;
    },
  },
  {
    title: "a node whose peers() refuses another one",
    state: "ready",
    line: "HOST is not one of the hosts that may be dialled",
    results: NAMED,
    async run(rig) {
      const a = await rig.node({ hub: { leaseMs: LEASE_MS } });
      const b = await rig.node({ hub: { leaseMs: LEASE_MS, peers: () => false } });
      await a.connect("ann");
      await unreachable(b.hub.emit("ann", "hi"), a.host);
      assert.deepEqual((await b.hub.broadcast("hi")).unreachable, [a.host]);
      return await logged(b, a.host);
    },
  },
  {
    title: "a node that dials with TLS among nodes without",
    state: "ready, once the others must have read of it in the storage",
    line: "HOST …",
    results: NAMED,
    async run(rig) {
      const a = await rig.node({ hub: { leaseMs: LEASE_MS } });
      const { cert, key } = selfSigned();
      const limits = { timeoutMs: 500, storageTimeoutMs: 500 };
      const b = await rig.node({ hub: { leaseMs: LEASE_MS, limits }, rpc: { tls: { cert, key, ca: cert } } });
      await a.connect("ann");
      await b.connect("bob");
      await unreachable(a.hub.emit("bob", "hi"), b.host);
      await unreachable(b.hub.emit("ann", "hi"), a.host);
      assert.deepEqual((await a.hub.broadcast("hi")).unreachable, [b.host]);
      assert.deepEqual((await b.hub.broadcast("hi")).unreachable, [a.host]);
      return await logged(b, a.host);
    },
  },
  {
    title: "nodes with different leaseMs",
    state: "ready",
    line: `HOST has leaseMs 15000 and this node ${LEASE_MS}: give all nodes the same`,
    results: "unaffected: each node is noticed as dead within its own lease",
    async run(rig) {
      const [a, b] = [await rig.node(), await rig.node({ hub: { leaseMs: LEASE_MS } })];
      await works([a, b]);
      await logged(a, "leaseMs");
      return await logged(b, "leaseMs");
    },
  },
  {
    title: "a node of an older version, which knows a part of the calls",
    state: "ready",
    line: "",
    results: "calls that it does not know reject with unimplemented or name its host",
    async run(rig) {
      const [host, own] = IN_MEMORY;
      const life = "a life of an older version";
      await rig.storage.renew({ host, life }, 60_000);
      await rig.storage.set(["bob"], { host, life });
      const older = createRouterTransport(({ service }) =>
        service(Node, { hello: () => create(HelloResponseSchema, { to: { host, life } }) })
      );
      const { hub } = rig.hub();
      const { DistServer } = await import("../../src/distributed/dist-server.ts");
      rig.network.add(own, new DistServer(hub));
      await hub.join({ host: own, transport: (to) => (to === host ? older : rig.network.transport(own, to)) });
      assert.equal(hub.status, "ready");
      await assert.rejects(hub.emit("bob", "hi"), (error: MeshError) => error.code === "unimplemented");
      assert.deepEqual((await hub.broadcast("hi")).unreachable, [host]);
      return "";
    },
  },
  {
    title: "a hub that was attached to a server and never listens",
    state: "starting: upgrades get 503",
    line: "the hub has not joined its cluster: use serve() or listen() of an adapter",
    results: "every verb rejects with failed_precondition",
    async run(rig) {
      const { hub } = rig.hub();
      await assert.rejects(MemoryClient.open(hub, { id: "ann" }), /503/);
      assert.equal(hub.status, "starting");
      for (const call of [hub.broadcast("hi"), hub.online("ann"), hub.publish("news", "hi")]) {
        await assert.rejects(call, (error: MeshError) => error.code === "failed_precondition");
      }
      const error = await hub.emit("ann", "hi").catch((reason: unknown) => reason);
      return (error as Error).message;
    },
  },
  {
    title: "two hubs of one process on one port",
    state: REFUSES,
    line:
      "cannot listen on 127.0.0.1 port N: it is in use: stop what listens there, or choose another port (0 takes any free one)",
    results: UNAFFECTED,
    async run(rig) {
      const serve = await loadServe();
      const options = { hostname: "127.0.0.1", session: () => ({}), rpc: { hostname: "127.0.0.1" } };
      const first = await serve(rig.hub().hub, { ...options, port: 0 });
      const a = await rig.node();
      await rig.refused(rig.node({ rpc: { port: first.rpc?.port ?? 0 } }), "unavailable");
      const line = await rig.refused(serve(rig.hub().hub, { ...options, port: first.port }), "unavailable");
      await works([a]);
      return line;
    },
  },
  {
    title: "a storage at which nothing listens",
    state: "the node refuses to start",
    line: "the storage cannot be reached at HOST: …",
    results: "none: there is no node",
    async run(rig) {
      const storage = new RedisStorage("redis://127.0.0.1:1");
      rig.atEnd(() => storage.close());
      return await rig.refused(rig.node({ hub: { storage } }), "unavailable");
    },
  },
  {
    title: "a storage that is another product's web page",
    state: "the node refuses to start",
    line: "the storage …HOST…",
    results: "none: there is no node",
    async run(rig) {
      const storage = new RedisStorage({ url: `http://${await rig.web(200)}`, token: "t" });
      return await rig.refused(rig.node({ hub: { storage } }), "unavailable");
    },
  },
  {
    title: "a storage that drops keys when its memory is full",
    state: "the node refuses to start",
    line:
      "the storage at HOST drops keys when its memory is full (maxmemory-policy allkeys-lru): set maxmemory-policy " +
      "noeviction, or clients that are connected would become unreachable without a word",
    results: "none: there is no node",
    async run(rig) {
      const redis = await useRedis(rig);
      await redis.command("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru");
      return await rig.refused(rig.node());
    },
  },
  {
    title: "a storage that is a read-only replica at the start",
    state: "the node refuses to start",
    line:
      "the storage at HOST is read-only, because it is a replica: give the address of the primary, or of its Sentinels",
    results: "none: there is no node",
    async run(rig) {
      const redis = await useRedis(rig);
      await redis.command("REPLICAOF", "127.0.0.1", String(await freePort()));
      return await rig.refused(rig.node(), "unavailable");
    },
  },
  {
    title: "a storage that becomes a read-only replica",
    state: "degraded: clients stay, new ones get 503",
    line:
      "could not renew the lease of HOST: the storage at HOST is read-only, because it is a replica: give the address of " +
      "the primary, or of its Sentinels",
    results: "known routes go on; others reject with unavailable, or are read from the replica",
    async run(rig) {
      const redis = await useRedis(rig);
      return await degradedBy(rig, async () => {
        await redis.command("REPLICAOF", "127.0.0.1", String(await freePort()));
      });
    },
  },
  {
    title: "a storage that is full",
    state: "degraded: clients stay, new ones get 503",
    line:
      "could not renew the lease of HOST: the storage at HOST is full: raise maxmemory of that Redis, or delete other " +
      "data from it",
    results: "known routes go on; others reject with unavailable, or are read from the storage",
    async run(rig) {
      const redis = await useRedis(rig);
      return await degradedBy(rig, async () => {
        await redis.command("CONFIG", "SET", "maxmemory", "1");
      });
    },
  },
  {
    title: "a storage that was wiped",
    state: "ready",
    line: "the storage was wiped: this node writes again what it held there",
    results: "false for moments at most a third of a lease long; then every client is found again",
    async run(rig) {
      const redis = await useRedis(rig);
      return await healsFrom(rig, () => redis.flush());
    },
  },
  {
    title: "a storage that lost its last writes",
    state: "ready",
    line: "the storage lost claims of this node: it makes them again",
    results: "false for moments at most a third of a lease long; then every client is found again",
    async run(rig) {
      const redis = await useRedis(rig);
      const a = await rig.node({ hub: { leaseMs: 6 * LEASE_MS } });
      const rewind = await snapshotOf(redis);
      return await healsFrom(rig, rewind, a);
    },
  },
];

/** Rows whose run is a test of another file. */
export const ELSEWHERE: readonly (Omit<WrongCluster, "run"> & { file: string; test: string })[] = [
  {
    title: "the workers of node:cluster (pm2), which would share one RPC port",
    state: "ready: each worker has a port of its own",
    line: "",
    results: "unaffected",
    file: "test/cluster/node-cluster.test.ts",
    test: "each worker of node:cluster has an RPC address of its own",
  },
];

/** A cluster of one, and a node that must not get in. */
async function newcomer(rig: Rig, own: Secrets, other: Secrets): Promise<string> {
  const a = await rig.node({ hub: secretOf(own) });
  const line = await rig.refused(rig.node({ hub: { ...secretOf(other), limits: { timeoutMs: 300 } } }));
  await works([a]);
  assert.deepEqual(a.hub.nodes().map(({ host }) => host), [a.host]);
  return line;
}

type Secrets = { readonly secret?: string | readonly string[] | undefined };

function secretOf(secrets: Secrets): Secrets {
  return "secret" in secrets ? secrets : { secret: SECRET };
}

async function wrongClock(rig: Rig, clockAheadMs: number): Promise<string> {
  const redis = await useRedis(rig);
  const a = await rig.node();
  const storage = { url: redis.url, token: redis.token, prefix: "wrong" };
  const starting = NodeProcess.start({ runtime, storage, secret: SECRET, clockAheadMs, limits: { timeoutMs: 1_000 } });
  const line = await rig.refused(starting);
  await works([a]);
  return line;
}

async function useRedis(rig: Rig): Promise<TestRedis> {
  const redis = await startRedis();
  const storage = new RedisStorage(`redis://127.0.0.1:${redis.port}`, "wrong");
  rig.storage = storage;
  // At the end: after the nodes.
  rig.atEnd(() => redis.stop());
  rig.atEnd(() => storage.close());
  return redis;
}

/** Two nodes whose storage takes no writes any more. */
async function degradedBy(rig: Rig, breakIt: () => Promise<void>): Promise<string> {
  const [a, b] = [await rig.node({ hub: { leaseMs: LEASE_MS } }), await rig.node({ hub: { leaseMs: 60_000 } })];
  const ann = await a.connect("ann");
  const bob = await b.connect("bob");
  assert.equal(await a.hub.emit("bob", "route"), true);
  await breakIt();
  const line = await logged(a, "could not renew the lease");
  await until("the node to be degraded", () => a.hub.status === "degraded");
  await assert.rejects(a.connect("new"), /503/);
  assert.equal(await a.hub.emit("bob", "hi"), true);
  assert.equal(await a.hub.emit("ann", "hi"), true);
  assert.deepEqual([await ann.next(), await bob.take(2)], ["hi", ["route", "hi"]]);
  return line;
}

/** A client whose claim the storage loses, and that is found again. */
async function healsFrom(rig: Rig, lose: () => Promise<void>, first?: RigNode): Promise<string> {
  const a = first ?? (await rig.node({ hub: { leaseMs: LEASE_MS } }));
  const b = await rig.node({ hub: { leaseMs: 60_000 } });
  const ann = await a.connect("ann");
  await lose();
  await until("ann to be found", () => b.hub.emit("ann", "hi").catch(() => false));
  assert.equal(await ann.next(), "hi");
  assert.equal(a.hub.status, "ready");
  return await logged(a, "the storage");
}

async function openProxy(rig: Rig): Promise<TcpProxy> {
  const proxy = await TcpProxy.open();
  rig.atEnd(() => proxy.close());
  return proxy;
}

/** Something in front of ports: from now on it leads to this one. */
interface Front {
  readonly host: string;
  target(port: number): void;
}

async function behind(rig: Rig, front: Front): Promise<RigNode> {
  const port = await freePort();
  front.target(port);
  return await rig.node({ hub: { leaseMs: LEASE_MS }, rpc: { port, advertise: front.host } });
}

/** A balancer that gives each connection to the port that was named last, and once it balances to any at random. */
async function openBalancer(rig: Rig): Promise<Front & { balance(): void }> {
  let ports: number[] = [];
  const all: number[] = [];
  const server = createServer((near) => {
    const far = connect(ports[Math.floor(Math.random() * ports.length)] ?? 0, "127.0.0.1");
    for (const socket of [near, far]) {
      socket.on("error", () => {}).on("close", () => void near.destroy(far.destroy().errored ?? undefined));
    }
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  rig.atEnd(() => void server.close());
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: (port) => void all.push(...(ports = [port])),
    balance: () => void (ports = all),
  };
}
