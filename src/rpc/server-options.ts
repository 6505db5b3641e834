/** The limits of the services of a node. */
export interface RpcServerOptions {
  /** Bytes of one message from a caller. A larger one is answered with `resource_exhausted`. */
  readMaxBytes: number;
  /** Bytes of one answer. A larger one becomes `resource_exhausted`. */
  writeMaxBytes: number;
  /** The longest deadline, in milliseconds, that a caller may ask for. A longer one is answered with `invalid_argument`. Default: any. */
  maxTimeoutMs?: number;
  /** Aborted when the node stops: long-lived calls end. */
  shutdownSignal?: AbortSignal;
}

/**
 * A `ConnectRouter` of `@connectrpc/connect`, as far as services are added to it.
 *
 * Spelled without Connect's types for the same reason as a NodeTransport: they compile only with DOM in `lib`.
 */
export interface RpcRouter {
  service(...args: never[]): unknown;
}
