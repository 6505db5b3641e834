import type { ServiceImpl } from "@connectrpc/connect";
import type { Node } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { Cluster } from "../gen/meshsocket/v1/cluster_pb.ts";
import { ACCESS } from "../rpc/proof.ts";
import type { ClusterWatch } from "../watch/cluster-watch.ts";
import { inBursts } from "../watch/in-bursts.ts";
import type { NodeWatch } from "../watch/node-watch.ts";
import { perSecondOf } from "../watch/tap.ts";

/** The calls of the Cluster service that look at the cluster. */
export type ClusterWatchService = Pick<
  ServiceImpl<typeof Cluster>,
  "nodes" | "why" | "tap" | "drain" | "clients" | "topics"
>;

/** The calls that look at all nodes, for those who watch a cluster. */
export function clusterWatchService<Data>(watch: ClusterWatch<Data>): ClusterWatchService {
  return {
    async nodes({ state }) {
      if (!state) return { nodes: watch.hosts().map((host) => ({ host })) };
      const heard = await watch.states();
      return {
        nodes: heard.map((one) =>
          "answer" in one ? { host: one.host, state: one.answer } : { host: one.host, unheard: one.reason }
        ),
      };
    },
    why: (request) => watch.why(request),
    tap: (request, { signal, values }) => watch.tap(request, signal, values.get(ACCESS)),
    drain: (request) => watch.drain(request),
    clients: (request) => watch.clients(request),
    topics: (request) => watch.topics(request),
  };
}

/** The same calls of the Node service, which look at one node. */
export type NodeWatchService = Pick<
  ServiceImpl<typeof Node>,
  "state" | "why" | "tap" | "drain" | "clients" | "topics"
>;

/** The calls with which other nodes look at this one. */
export function nodeWatchService<Data>(watch: NodeWatch<Data>): NodeWatchService {
  return {
    state: () => watch.state(),
    why: (request) => watch.known(request),
    tap: (request, { signal }) => inBursts(watch.tap(request, signal), perSecondOf(request)),
    drain: (request) => watch.drain(request),
    clients: (request) => watch.clients(request),
    topics: (request) => watch.topics(request),
  };
}
