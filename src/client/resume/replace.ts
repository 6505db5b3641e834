import { CloseCode } from "../../base/close-code.ts";
import type { ResumeOffer } from "./resume.ts";
import type { ResumeToken } from "./resume-token.ts";

/**
 * Closes a client whose id a newer one has. If that is an attempt of this very client that arrived late, with a token that was used
 * since, this client may connect again.
 */
export function replace(client: ReplacedClient, offer?: ResumeOffer): void {
  const late = offer !== undefined && client.v1?.token.wasUsed(offer.token) === true;
  client.closeHere(late ? CloseCode.TryAgainLater : CloseCode.Replaced, "replaced by a newer connection");
}

/** The client of {@link replace}. */
interface ReplacedClient {
  readonly v1: { readonly token: ResumeToken } | undefined;
  closeHere(code: number, reason: string): void;
}
