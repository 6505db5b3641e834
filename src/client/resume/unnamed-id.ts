import { nameOf, randomId } from "../../base/random-id.ts";
import type { ResumeOffer } from "./resume.ts";

/** The id of a client whose session names none. */
export interface UnnamedId {
  readonly id: string;
  /** Only the client and its node know it: it goes with the token to resume. */
  readonly secret: string;
}

/**
 * The id of a client of `meshsocket.v1` whose session names none: a new one, or that which it had if it comes back.
 *
 * The id is the hash of a random secret that is the first part of the client's token to resume. So the client
 * gets its id again on any node, without a word to the storage, and nobody else can claim it who only knows the id.
 */
export async function unnamedId(resume: ResumeOffer | undefined): Promise<UnnamedId> {
  const secret = idSecretOf(resume?.token ?? "") ?? randomId();
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return { id: nameOf(new Uint8Array(hash, 0, 16)), secret };
}

/** The secret in a token to resume; undefined in that of a client whose session names its id. */
export function idSecretOf(token: string): string | undefined {
  return SECRET.exec(token)?.[1];
}

const SECRET = /^([\w-]{22})\./;
