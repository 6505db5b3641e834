import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import type { MeshError } from "../../src/base/error.ts";
import { HelloResponseSchema, Node } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { NodeProcess } from "../kit/node-process.ts";
import { runtime } from "../kit/runtime.ts";
import { loadServe } from "../kit/servers.ts";
import {
  LEASE_MS,
  logged,
  OTHER_SECRET,
  type Rig,
  type RigNode,
  SECRET,
  useRedis,
  works,
} from "./wrong-cluster-rig.ts";
import { until } from "../kit/until.ts";
import { ADVICE, IN_MEMORY, REFUSES, UNAFFECTED, type WrongCluster } from "./wrong-cluster.ts";

/** Clusters whose nodes differ, or that were never started. */
export const WRONG_SETUPS: readonly WrongCluster[] = [
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
    title: "nodes with different topics",
    state: "ready",
    line:
      'HOST has the topics {"match":"room:*","history":{"messages":200,"ms":86400000,"bytes":4194304}} and this node ' +
      '{"match":"room:*"}: give all nodes the same, in the same order',
    results: "a publish through a node whose topics keep nothing is delivered, and cannot be caught up",
    async run(rig) {
      const kept = [{ match: "room:*", history: { messages: 200 } }];
      const [a, b] = [
        await rig.node({ hub: { topics: kept } }),
        await rig.node({ hub: { topics: [{ match: "room:*" }] } }),
      ];
      await works([a, b]);
      await logged(a, "topics");
      return await logged(b, "topics");
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
];

/** A cluster of one, and a node that must not get in. */
async function newcomer(rig: Rig, own: Secrets, other: Secrets): Promise<string> {
  const a = await rig.node({ hub: secretOf(own) });
  const line = await rig.refused(rig.node({ hub: { ...secretOf(other), limits: { timeoutMs: 300 } } }));
  await alone(a);
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
  await alone(a);
  return line;
}

/** The node works, and has forgotten a node that left before it could say so. */
async function alone(node: RigNode): Promise<void> {
  await until("the new node to be forgotten", () => node.hub.nodes().length === 1);
  await works([node]);
}
