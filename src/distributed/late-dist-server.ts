import { clusterNode, type DistHub } from "./dist-hub.ts";
import type { IncomingPackedLine } from "../link/incoming-packed-line.ts";
import { rpcBytes } from "../base/limits.ts";
import { MeshError } from "../base/error.ts";
import type { NodeServices } from "./node-services.ts";
import type { RpcRouter, RpcServerOptions } from "../rpc/server-options.ts";

/**
 * Answers the RPC of the other nodes and of back-ends for a hub.
 *
 * `routes` goes to a Connect router, which an adapter's `listen` does; `fetch` answers the same where only fetch handlers
 * can be mounted, with Connect and gRPC-Web. When the hub has a secret every call needs a token: one for this node's host
 * opens all services, one for `"cluster"` the Cluster service alone, one of an API key the calls of that key. Health
 * (`grpc.health.v1`) needs no token, reflection (`grpc.reflection.v1` and `v1alpha`) needs one of the first two.
 *
 * `meshsocket` alone loads the services, with Connect and Protobuf, at the first RPC. To use `routes`, import this class from
 * `meshsocket/adapter`, which loads them at once.
 */
export class DistServer<Data = unknown> {
  /**
   * Adds the services to a Connect router. Throws a MeshError (`failed_precondition`) while they are not loaded, which
   * cannot happen with `meshsocket/adapter`.
   */
  readonly routes: (router: RpcRouter) => void;
  /** Answers an RPC; undefined when the path is none of the services'. */
  readonly fetch: (request: Request) => Promise<Response | undefined>;
  /** How large the messages of an RPC may be. */
  readonly limits: RpcServerOptions;
  readonly #hub: DistHub<Data>;
  #services: NodeServices<Data> | undefined;

  constructor(hub: DistHub<Data>) {
    this.#hub = hub;
    this.limits = rpcBytes(hub.limits);
    this.routes = (router) => this.#loaded().addTo(router as Parameters<NodeServices<Data>["addTo"]>[0]);
    this.fetch = async (request) => await (await this.#load()).fetch(request);
  }

  /**
   * The receiving end of a packed line for a caller with this `authorization`; rejects with why it gets none.
   *
   * @internal
   */
  async openLine(authorization: string | null): Promise<IncomingPackedLine> {
    return await (await this.#load()).openLine(authorization);
  }

  async #load(): Promise<NodeServices<Data>> {
    if (!loaded) useServices((await import("./node-services.ts")).NodeServices);
    return this.#loaded();
  }

  #loaded(): NodeServices<Data> {
    if (!loaded) {
      throw new MeshError(
        "failed_precondition",
        "the services of a DistServer are not loaded yet: import it from meshsocket/adapter, which loads them",
      );
    }
    return (this.#services ??= new loaded<Data>(this.#hub, clusterNode(this.#hub), this.limits));
  }
}

let loaded: typeof NodeServices | undefined;

/**
 * Gives the services to every DistServer: see `dist-server.ts`.
 *
 * @internal
 */
export function useServices(services: typeof NodeServices): void {
  loaded = services;
}
