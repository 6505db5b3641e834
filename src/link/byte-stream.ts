/** An open stream of bytes both ways between two nodes: what carries a packed line. */
export interface ByteStream {
  /** Bytes taken and not yet handed to the operating system. */
  readonly bufferedAmount: number;
  /** Bytes of the longest message that the other end takes; undefined if it did not say. */
  readonly maxBytes?: number | undefined;
  /** Takes bytes, in order; they must stay unchanged afterwards. */
  write(bytes: Uint8Array): void;
  /** Cuts the stream at once; nothing is told of it any more. */
  close(): void;
}

/** Hears what happens to a {@link ByteStream}. */
export interface ByteStreamReceiver {
  /** Bytes came. They stay unchanged afterwards. */
  data(bytes: Uint8Array): void;
  /** The stream is gone, for whatever reason. Called once. */
  closed(): void;
}

/**
 * Opens a stream to a node, with a token where there is one.
 *
 * Rejects with a MeshError: `unimplemented` when the node, or something before it, knows no such streams;
 * `unauthenticated` or `permission_denied` when it refuses the token; `unavailable` when nobody answers at its address;
 * `unknown` when the attempt broke off and another one may succeed.
 */
export type DialStream = (
  receiver: ByteStreamReceiver,
  token: string | undefined,
  signal: AbortSignal,
) => Promise<ByteStream>;

/** The protocol that an upgrade of HTTP/1.1 names to get such a stream (RFC 9110 section 7.8). */
export const LINE_PROTOCOL = "meshsocket-line-1";
/** The header of a refusal that says why, and shows that the answer is a node's own and not that of a proxy before it. */
export const REASON_HEADER = "meshsocket-reason";
/** The header with the most bytes that a message on the stream may have. */
export const LINE_MAX_BYTES = "meshsocket-line-max-bytes";
/** Where it asks. */
export const LINE_PATH = "/meshsocket.node.v1.Node/Link";
