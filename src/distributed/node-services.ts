import type { ConnectRouter, HandlerContext, Interceptor, ServiceImpl } from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { clusterService } from "./cluster-service.ts";
import type { ClusterNode } from "./cluster-node.ts";
import type { DistHub } from "./dist-hub.ts";
import { type Batch, type BatchAnswer, Node } from "../gen/meshsocket/node/v1/node_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Cluster } from "../gen/meshsocket/v1/cluster_pb.ts";
import { Websocket } from "../gen/websocket/websocket_pb.ts";
import type { IncomingPackedLine } from "../link/incoming-packed-line.ts";
import type { Access, Scope } from "../rpc/access.ts";
import { toConnectError } from "../rpc/error.ts";
import { createRpcFetch } from "../rpc/fetch-handler.ts";
import type { RpcServerOptions } from "../rpc/server-options.ts";
import { errorCode } from "../base/error.ts";
import { ClusterWatch } from "../watch/cluster-watch.ts";
import { NodeWatch } from "../watch/node-watch.ts";
import { clusterWatchService, nodeWatchService } from "./watch-service.ts";
import { ACCESS, ON_PROOF } from "../rpc/proof.ts";
import { addReflection } from "../rpc/reflection.ts";
import { healthService } from "./health-service.ts";
import { websocketService } from "./websocket-service.ts";

/** The services that a {@link DistServer} answers with: loaded apart from it, for they bring Connect and Protobuf. */
export class NodeServices<Data> {
  /** Answers an RPC; undefined when the path is none of the services'. */
  readonly fetch: (request: Request) => Promise<Response | undefined>;
  readonly #hub: DistHub<Data>;
  readonly #node: ClusterNode<Data>;
  readonly #watch: NodeWatch<Data>;
  readonly #clusterWatch: ClusterWatch<Data>;

  constructor(hub: DistHub<Data>, node: ClusterNode<Data>, limits: RpcServerOptions) {
    this.#hub = hub;
    this.#node = node;
    this.#watch = new NodeWatch(node, hub);
    this.#clusterWatch = new ClusterWatch(node, this.#watch);
    this.fetch = createRpcFetch((router) => this.addTo(router), limits);
  }

  /** Adds the services to a Connect router. */
  addTo(router: ConnectRouter): void {
    router.service(Node, this.#nodeService(), this.#guard("node"));
    router.service(Websocket, websocketService(this.#node), this.#guard("node"));
    const cluster = { ...clusterService(this.#hub), ...clusterWatchService(this.#clusterWatch) };
    router.service(Cluster, cluster, this.#guard("cluster"));
    const files = [Node, Websocket, Cluster, Health, ServerReflection, ServerReflectionAlpha].map(({ file }) => file);
    const names = files.flatMap(({ services }) => services.map(({ typeName }) => typeName));
    router.service(Health, healthService(this.#node.state, names), this.#open());
    addReflection(router, files, this.#guard("cluster"));
  }

  /** Lets every call through. A good token still shows that the caller belongs here, so that its connection may stay. */
  #open(): Partial<UniversalHandlerOptions> {
    return {
      requestGate: async ({ requestHeader, method, values }) => {
        const authorization = requestHeader.get("authorization");
        const proven = await this.#authorize("cluster", method.name, authorization).then(() => true, () => false);
        if (proven) values.get(ON_PROOF)();
      },
    };
  }

  /** Lets only calls with a good token through, before a body is read, and gives every error its code. */
  #guard(scope: Scope): Partial<UniversalHandlerOptions> {
    const coded: Interceptor = (next) => async (request) => {
      const { current } = this.#node.traces;
      const { service: { typeName }, method, header } = request;
      try {
        // Items between nodes are traced one by one, not by batch.
        if (current === undefined || typeName === Node.typeName) return await next(request);
        return await current.rpc(typeName, method.name, header.get("traceparent"), () => next(request));
      } catch (error) {
        throw toConnectError(error);
      }
    };
    return {
      interceptors: [coded],
      requestGate: async ({ requestHeader, method, values }) => {
        try {
          values.set(ACCESS, await this.#authorize(scope, method.name, requestHeader.get("authorization")));
        } catch (error) {
          this.#refused(scope, method.name, error);
          throw toConnectError(error);
        }
        values.get(ON_PROOF)();
      },
    };
  }

  #refused(scope: Scope, call: string, error: unknown): void {
    const why = errorCode(error) === undefined ? "it could not be checked" : (error as Error).message;
    this.#node.recorder.record(scope === "node" ? "token" : "key", {}, `${call}: ${why}`);
  }

  async #authorize(scope: Scope, call: string, authorization: string | null): Promise<Access> {
    const { cluster, secrets } = this.#node;
    return await secrets.authorize(cluster.holder.host, scope, call, authorization);
  }

  /** The receiving end of a packed line for a caller with this `authorization`; rejects with why it gets none. */
  async openLine(authorization: string | null): Promise<IncomingPackedLine> {
    await this.#authorize("node", Node.method.link.name, authorization);
    return this.#node.cluster.incoming.lines.packed();
  }

  #nodeService(): ServiceImpl<typeof Node> {
    const node = this.#node;
    return {
      ...nodeWatchService(this.#watch),
      hello: (request) => node.cluster.neighbours.greeted(request),
      // Batches of one line are taken one after the other: what comes while one is written makes up the next.
      async *link(batches: AsyncIterable<Batch>, { signal }: HandlerContext): AsyncIterable<BatchAnswer> {
        const { cluster } = node;
        for await (const batch of cluster.incoming.lines.read(batches, signal)) {
          yield await cluster.incoming.inbox.deliver(batch);
        }
      },
      deliver: (batch) => node.cluster.incoming.inbox.deliver(batch),
      presence: (requests, context) => node.cluster.presenceFeed(requests, context.signal),
    };
  }
}
