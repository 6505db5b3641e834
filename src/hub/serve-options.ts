import type { CloseOptions } from "./hub-options.ts";
import type { SessionFactory } from "../client/session.ts";
import type { HealthOptions } from "./health.ts";
import type { MetricsOptions } from "./metrics-options.ts";

/** A certificate and its key in PEM. */
export interface TlsOptions {
  cert: string;
  key: string;
}

/** The RPC port of a node, for the other nodes and for back-ends. */
export interface RpcOptions {
  /** Default 0: any free port. */
  port?: number;
  /** The address to listen on. Default `127.0.0.1` without a secret, else `0.0.0.0`, or `::` on a machine without IPv4. */
  hostname?: string;
  /**
   * `host:port` at which the other nodes reach this one. Default: this machine's address, or `127.0.0.1` if it listens on
   * loopback only. When it joins a node dials this address itself and must meet itself there.
   */
  advertise?: string;
  /** Serves and dials with TLS. */
  tls?: TlsOptions & {
    /** The authority, in PEM, that the other nodes' certificates are checked against. */
    ca?: string;
    /** Also asks whoever calls for a certificate of `ca`, besides the token, and shows this node's own. Default false. */
    mutual?: boolean;
  };
}

/** The result of `listen(hub, rpc)`: a node of the cluster. */
export interface RpcListener extends AsyncDisposable {
  /** The port that was bound. */
  readonly port: number;
  /** `host:port` as the storage has it. */
  readonly host: string;
  /** Leaves the cluster and stops listening. */
  close(): Promise<void>;
}

/** How `serve(hub, options)` listens; the same on Node, Bun and Deno. */
export interface ServeOptions<Data = unknown> {
  /** Default 8080; 0 is any free port. */
  port?: number;
  /** The address to listen on. Default `0.0.0.0`. */
  hostname?: string;
  /** The path of WebSocket upgrades. Default: every path. */
  path?: string;
  /** Decides about each upgrade, before the 101. */
  session: SessionFactory<Data>;
  /** Answers everything that is not a WebSocket upgrade on `path`. Default: 404. */
  fetch?: (request: Request) => Response | Promise<Response>;
  /**
   * Answers `/livez` (200 until the hub is closed) and `/readyz` (200 if it is ready, or else 503 and why) before `fetch`
   * does; with an object, on the paths that it has. See {@link healthHandler}. Default false.
   *
   * ```ts
   * import { serve } from "meshsocket/node";
   *
   * await serve(hub, { port: 8080, path: "/ws", session, health: true }); // curl http://127.0.0.1:8080/readyz
   * ```
   */
  health?: boolean | HealthOptions;
  /**
   * Answers Prometheus with the numbers of this hub on a path, before `fetch` does; with `{ path, token }` only those that send
   * the token. See {@link MetricsOptions} and `meshsocket/prometheus`. Default: nothing.
   *
   * ```ts
   * import { serve } from "meshsocket/node";
   *
   * await serve(hub, { port: 8080, path: "/ws", session, metrics: "/metrics" }); // curl http://127.0.0.1:8080/metrics
   * ```
   */
  metrics?: string | MetricsOptions;
  /**
   * Serves the dashboard of a DistHub's cluster below this path, before `fetch` does. Its page is opened by the secret of one of the
   * hub's `apiKeys`, which it cannot do without, or by a token; it shows and does what the rights of that key open. Never on the path
   * `"/"`, and never on that of another option. Default: nothing.
   *
   * ```ts
   * import { serve } from "meshsocket/node";
   *
   * // hub: new DistHub({ storage, secret, apiKeys: [{ secret: process.env.DASHBOARD_KEY ?? "", rights: ["read", "tap"] }] })
   * await serve(hub, { port: 8080, path: "/ws", session, dashboard: "/dashboard" });
   * ```
   */
  dashboard?: string;
  /** Serves https and wss. */
  tls?: TlsOptions;
  /** The RPC port of a DistHub. */
  rpc?: RpcOptions;
  /** Also answers RPC on this port under its own paths (Connect and gRPC-Web), for callers that reach no other. Default false. */
  publicRpc?: boolean;
}

/** The result of `serve`. */
export interface Server extends AsyncDisposable {
  /** `http://host:port` (or https) as this machine reaches it. */
  readonly url: string;
  readonly port: number;
  readonly hostname: string;
  /** The RPC side of a DistHub. */
  readonly rpc: RpcListener | undefined;
  /** Closes the hub, which drains it, and then the ports. The same as `hub.close(options)`. */
  close(options?: CloseOptions): Promise<void>;
}
