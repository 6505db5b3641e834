import { ERROR_CODES, resultsOf } from "./labels.ts";
import { counted, countedBy, each, one, spread } from "./sample.ts";
import type { Definition } from "./table.ts";

/** The metrics of a DistHub, besides those of every hub. */
export const CLUSTER_METRICS: readonly Definition[] = [
  {
    name: "meshsocket_cluster_nodes",
    type: "gauge",
    help: "Living nodes that this one knows, itself included once it holds a lease.",
    read: ({ counters }) => one(counters.nodesNow + (counters.leaseEndsAtMs === undefined ? 0 : 1)),
  },
  {
    name: "meshsocket_links",
    type: "gauge",
    help: "Lines to other nodes that are open.",
    read: ({ counters }) => one(counters.linksNow),
  },
  {
    name: "meshsocket_link_pending_calls",
    type: "gauge",
    help: "Calls to other nodes without an answer yet.",
    read: ({ counters }) => one(counters.linkCallsNow),
  },
  {
    name: "meshsocket_link_pending_bytes",
    type: "gauge",
    help: "Bytes of calls to other nodes without an answer yet.",
    read: ({ counters }) => one(counters.linkBytesNow),
  },
  {
    name: "meshsocket_link_opens_total",
    type: "counter",
    help: "Lines to other nodes that were opened, for the first time or again.",
    read: ({ counters }) => one(counters.linkOpens),
  },
  {
    name: "meshsocket_link_breaks_total",
    type: "counter",
    help: "Lines to other nodes that broke, by error code.",
    read: ({ counters }) => counted("code", counters.linkBreaks, ERROR_CODES),
  },
  {
    name: "meshsocket_link_round_trip_seconds",
    type: "histogram",
    help: "Time until another node answered a batch, its own tick included.",
    read: ({ counters }) => [spread(counters.linkSeconds)],
  },
  {
    name: "meshsocket_link_batch_calls",
    type: "histogram",
    help: "Calls that one batch to another node held.",
    read: ({ counters }) => [spread(counters.batches)],
  },
  {
    name: "meshsocket_routes",
    type: "gauge",
    help: "Ids whose node is remembered.",
    read: ({ counters }) => one(counters.routesNow),
  },
  {
    name: "meshsocket_route_lookups_total",
    type: "counter",
    help:
      "Sends to ids of other nodes: hit, the node was known; storage, the storage was asked; stale, the node was wrong.",
    read: ({ counters: { routeHits: hit, routeLookUps: storage, routesStale: stale } }) =>
      each("result", { hit, storage, stale }),
  },
  {
    name: "meshsocket_storage_calls_total",
    type: "counter",
    help: "Calls to the storage, by call and result: ok, or an error code.",
    read: ({ counters }) =>
      countedBy("call", counters.storage, (tally) => counted("result", tally, resultsOf(tally, ["ok", "unavailable"]))),
  },
  {
    name: "meshsocket_storage_call_duration_seconds",
    type: "histogram",
    help: "Time of a call to the storage, by call.",
    read: ({ counters }) => Object.entries(counters.storageSeconds).map(([call, seconds]) => spread(seconds, { call })),
  },
  {
    name: "meshsocket_lease_remaining_seconds",
    type: "gauge",
    help: "Time that the lease of this node still lasts; 0 without one.",
    read: ({ counters: { leaseEndsAtMs = 0 } }) => one(Math.max(0, leaseEndsAtMs - performance.now()) / 1_000),
  },
  {
    name: "meshsocket_leases_lost_total",
    type: "counter",
    help: "Leases that this node lost, to a pause, a wiped storage or another node with its address.",
    read: ({ counters }) => one(counters.leasesLost),
  },
];
