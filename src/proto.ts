/**
 * The generated descriptors of the RPC services, for callers that speak Connect themselves.
 *
 * The `.proto` files of the same services are in the package's `proto/` folder, for every other language.
 *
 * @module
 */
export * as health from "./gen/grpc/health/v1/health_pb.ts";
export * as cluster from "./gen/meshsocket/v1/cluster_pb.ts";
export * as node from "./gen/meshsocket/node/v1/node_pb.ts";
export * as websocket from "./gen/websocket/websocket_pb.ts";
