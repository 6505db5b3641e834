import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { selfSigned } from "../kit/certificate.ts";
import { freePort } from "../kit/free-port.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { until } from "../kit/until.ts";
import { LEASE_MS, logged, OTHER_SECRET, Rig, type RigNode, unreachable, works } from "./wrong-cluster-rig.ts";
import {
  IN_MEMORY,
  NAMED,
  NO_NODE,
  REFUSES,
  SET_ADVERTISE,
  SHARED,
  TAKEN,
  UNAFFECTED,
  type WrongCluster,
} from "./wrong-cluster.ts";

/** Clusters whose nodes do not reach each other, or not at the addresses that they advertise. */
export const WRONG_ADDRESSES: readonly WrongCluster[] = [
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
    // On Deno nodes dial with fetch.
    line: ["ECONNREFUSED", "fetch does not dial that port"].map((why) =>
      `advertise HOST does not lead to this node: HOST cannot be reached (${why}): ${SET_ADVERTISE}`
    ),
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
];

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
