import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../gen/grpc/health/v1/health_pb.ts";
import { Cluster } from "../gen/meshsocket/v1/cluster_pb.ts";
import type { HubState } from "../hub/state.ts";

/**
 * The health of a node and of each of its services, by gRPC's health checking protocol.
 *
 * The node and its services are SERVING from the moment that it has joined its cluster until it begins to drain. While the
 * storage does not answer, the Cluster service alone is NOT_SERVING: a caller does better at another node, and a probe that
 * asks for the node as a whole does not end its connections.
 */
export function healthService(state: HubState, services: readonly string[]): ServiceImpl<typeof Health> {
  const known = new Set(["", ...services]);
  const statusOf = (service: string): ServingStatus => {
    if (!known.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    const { status } = state;
    const serving = status === "ready" || (status === "degraded" && service !== Cluster.typeName);
    return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };
  return {
    check({ service }) {
      if (known.has(service)) return { status: statusOf(service) };
      throw new ConnectError("this node has no service of that name", Code.NotFound);
    },
    async *watch({ service }, { signal }) {
      let told: ServingStatus | undefined;
      while (!signal.aborted) {
        const change = state.nextChange(signal);
        const status = statusOf(service);
        if (status !== told) yield { status };
        told = status;
        await change;
      }
    },
  };
}
