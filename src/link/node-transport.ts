import type { DialStream } from "./byte-stream.ts";

/**
 * How calls reach one other node: a `Transport` of `@connectrpc/connect`, with what a cluster wants beyond it.
 *
 * Its two methods are those of Connect. They are spelled without Connect's types, so that the types of an application
 * that never touches RPC do not include that library, which compiles only with DOM in `lib`.
 */
export interface NodeTransport {
  unary(...args: never[]): Promise<unknown>;
  stream(...args: never[]): Promise<unknown>;
  /** Gives up the connections to the node. */
  close?(): void;
  /** Opens streams for packed lines. Without it, batches travel in calls. */
  dial?: DialStream;
}
