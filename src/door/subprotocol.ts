import { invalidArgument } from "../base/error.ts";
import type { Session } from "../client/session.ts";

/**
 * What a subprotocol starts with that carries a token: `new WebSocket(url, ["chat", "meshsocket.bearer." + token])`.
 *
 * It is how a web page sends a token in its handshake without writing it into the URL. It is never answered, so offer another
 * subprotocol beside it for the session to choose: browsers fail a connection whose offers are all ignored.
 */
export const BEARER_PROTOCOL_PREFIX = "meshsocket.bearer.";

/** The subprotocols that a request offers, in its order (RFC 6455 section 4.1). */
export function offeredProtocols(request: Request): string[] {
  const header = request.headers.get("sec-websocket-protocol");
  if (!header) return [];
  return header.split(",").map((protocol) => protocol.trim()).filter((protocol) => protocol !== "");
}

/** The session's subprotocol, "" for none. Throws a TypeError (`invalid_argument`) when the client did not offer it, or it is a token. */
export function chosenProtocol(request: Request, session: Session<never>): string {
  const { protocol } = session;
  if (!protocol) return "";
  if (protocol.startsWith(BEARER_PROTOCOL_PREFIX)) throw invalidArgument("a token is no subprotocol to answer with");
  // What is answered stands in a header: only the characters of an HTTP token.
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(protocol)) throw invalidArgument("the session's protocol is not a subprotocol");
  if (offeredProtocols(request).includes(protocol)) return protocol;
  throw invalidArgument("the session's protocol is not one that the client offered");
}
