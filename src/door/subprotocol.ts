import { kindOf } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";
import { V1_PROTOCOL } from "../wire/v1.ts";

/**
 * The beginning of a subprotocol that carries a token: `new WebSocket(url, ["meshsocket", "meshsocket.bearer." + token])`.
 *
 * A web page can send a token so in its handshake, without writing it into the URL. Offer another subprotocol with it, which
 * the server answers: the token then stays out of the response.
 */
export const BEARER_PROTOCOL_PREFIX = "meshsocket.bearer.";

/** The subprotocols that a request offers, in its order (RFC 6455 section 4.1). */
export function offeredProtocols(request: Request): string[] {
  const header = request.headers.get("sec-websocket-protocol");
  if (!header) return [];
  return header.split(",").map((protocol) => protocol.trim()).filter((protocol) => protocol !== "");
}

/** The token and position of a client that asks to resume: the last of its offers that has the right form. */
export function resumeOffer(request: Request): ResumeOffer | undefined {
  for (const offer of offeredProtocols(request).reverse()) {
    const [, received, token] = RESUME_OFFER.exec(offer) ?? [];
    if (received !== undefined && token !== undefined) return { received: Number(received), token };
  }
  return undefined;
}

const RESUME_PREFIX = "meshsocket.resume.";

const RESUME_OFFER = /^meshsocket\.resume\.(0|[1-9]\d{0,14})\.([\w.~-]{1,1024})$/;

/** The subprotocol of one connection. */
export interface Subprotocol {
  /** The one that the 101 names; "" for none. */
  readonly answered: string;
  /** The one that the application sees: never a token. */
  readonly spoken: string;
}

/**
 * Chooses the subprotocol of a connection: the one that its session names.
 *
 * If the session names none, it is `meshsocket.v1` if that was offered. Else, if the client offered a bearer token, it is the
 * first offer that is not a token, because a browser closes a connection none of whose offers was chosen. A client that offers
 * nothing but tokens gets its bearer back, which only that client reads; the application sees "" for it.
 *
 * Throws a TypeError (`invalid_argument`) for a named protocol that the client did not offer, or that is a token.
 */
export function chooseProtocol(request: Request, named: string | undefined): Subprotocol {
  const offers = offeredProtocols(request);
  if (named !== undefined && named !== "") return chosen(named, offers);
  if (offers.includes(V1_PROTOCOL)) return chosen(V1_PROTOCOL, offers);
  const bearer = offers.find((offer) => offer.startsWith(BEARER_PROTOCOL_PREFIX));
  if (bearer === undefined) return NONE;
  const other = offers.find((offer) => !isToken(offer));
  return other === undefined ? { answered: bearer, spoken: "" } : chosen(other, offers);
}

const NONE: Subprotocol = { answered: "", spoken: "" };

/** Whether an offer carries a token: a bearer's, or that of a client that asks to resume. */
function isToken(protocol: string): boolean {
  return protocol.startsWith(BEARER_PROTOCOL_PREFIX) || protocol.startsWith(RESUME_PREFIX);
}

function chosen(protocol: string, offers: readonly string[]): Subprotocol {
  if (typeof protocol !== "string") throw invalidArgument(`protocol must be a string, not ${kindOf(protocol)}`);
  if (isToken(protocol)) {
    throw invalidArgument("protocol must not be the token: leave it out, and another offer is chosen");
  }
  // It is written into a header: only the characters of an HTTP token.
  if (!TOKEN.test(protocol)) {
    throw invalidArgument("protocol must be a subprotocol: letters, digits and !#$%&'*+-.^_`|~");
  }
  if (offers.includes(protocol)) return { answered: protocol, spoken: protocol };
  // Not named: an application that chose what `bearerToken` returned would see its token in the log.
  throw invalidArgument("protocol was not offered by the client: choose one of its Sec-WebSocket-Protocol header");
}

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
