import type { ResumeOffer } from "./resume.ts";
import type { ResumeToken } from "./resume-token.ts";

/** A client of `meshsocket.v1` that is away and that its node, which leaves, hands to another one. */
export interface Adoption {
  readonly id: string;
  readonly user: string | undefined;
  /** JSON; "" for none. */
  readonly info: string;
  readonly url: string;
  readonly remoteAddress: string;
  /** The token with which it may come back. */
  readonly token: string;
  /** The one before, as long as that is good; "" for none. */
  readonly former: string;
  /** How many messages it acknowledged. */
  readonly received: number;
  /** When its session ends, in milliseconds since 1970; undefined: never. */
  readonly expiresAt: number | undefined;
}

/** The facts with which another node takes a client over; undefined unless it is away, and stays here. */
export function adoptionOf(client: AwayClient): Adoption | undefined {
  const { id, user, info, url, remoteAddress, v1, expiry: { at: expiresAt } } = client;
  if (!v1 || !client.away || client.arrival || client.leaving) return undefined;
  const { token: { current: token, former }, ledger: { acked: received } } = v1;
  return { id, user, info, url, remoteAddress, token, former, received, expiresAt };
}

/**
 * The offer with which another node takes a client over that is away here: that of the client itself, which may have gone on since the other
 * node was asked to. Undefined if it is not away, or is another client of the same id.
 */
export function offerOfAway(
  { away, user, v1 }: OfferingClient,
  { token: given }: ResumeOffer,
): ResumeOffer | undefined {
  if (!v1 || !away || !(v1.token.accepts(given) || v1.token.wasUsed(given))) return undefined;
  const { token: { current: token, former }, ledger: { acked: received } } = v1;
  return { token, former, received, user };
}

/** The client of {@link offerOfAway}. */
interface OfferingClient {
  readonly away: boolean;
  readonly user: string | undefined;
  readonly v1: {
    readonly token: Pick<ResumeToken, "accepts" | "current" | "former" | "wasUsed">;
    readonly ledger: { readonly acked: number };
  } | undefined;
}

/** The client of {@link adoptionOf}. */
export interface AwayClient extends Pick<Adoption, "id" | "user" | "info" | "url" | "remoteAddress"> {
  readonly away: boolean;
  /** Whether it came back on another node, which has not taken it yet. */
  readonly leaving: boolean;
  /** Defined while it is on its way here. */
  readonly arrival: Promise<void> | undefined;
  readonly expiry: { readonly at: number | undefined };
  readonly v1: {
    readonly token: { readonly current: string; readonly former: string };
    readonly ledger: { readonly acked: number };
  } | undefined;
}
