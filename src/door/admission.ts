import type { Socket, SocketReceiver } from "../client/socket.ts";

/**
 * An upgrade that was let in: its id is claimed, its 101 is still to be sent.
 *
 * An adapter calls exactly one of `open` and `cancel`.
 */
export interface Admission {
  /** The client's id; "" if it has none: its first message decides, or the connection is closed with a code at once. */
  readonly id: string;
  /** The subprotocol to answer with; "" for none: then the response has no such header. */
  readonly protocol: string;
  /** More headers for the 101. */
  readonly headers: Headers;
  /** The connection is open: the client joins the hub. Events of the socket go to the receiver from now on. */
  open(socket: Socket): SocketReceiver;
  /** The connection did not come about: the id is given up. */
  cancel(): void;
}

/**
 * Whether the answer to an upgrade is an admission; a refusal otherwise.
 * Adapters ask this rather than `instanceof Response`: an application may replace that class at any time.
 */
export function isAdmission(answer: Response | Admission): answer is Admission {
  return "open" in answer && typeof answer.open === "function";
}

/** Facts about an upgrade that an adapter knows besides its request. */
export interface UpgradeContext {
  /** The peer's IP address; "" if the runtime does not tell. */
  readonly remoteAddress: string;
  /** Aborted when the peer gave up. */
  readonly signal?: AbortSignal;
}

/** A refusal in plain text. */
export function refuse(status: number, text: string, headers?: Record<string, string>): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
}
