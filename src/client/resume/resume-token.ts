import { isEqual, randomId } from "../../base/random-id.ts";

/**
 * The token with which a client may resume, once.
 *
 * A client that loses its new connection before it saw the new token still has the one it came with. That one stays
 * good until the client sends something on the new connection, which proves that it has the new one.
 */
export class ResumeToken {
  /** Before each token: the secret of an id that the session does not name. */
  readonly #prefix: string;
  #current: string;
  #used: string | undefined;
  /** The one before the present: good for nothing but to know an earlier attempt of the same client. */
  #former: string | undefined;

  constructor(idSecret?: string) {
    this.#prefix = idSecret === undefined ? "" : `${idSecret}.`;
    this.#current = this.#prefix + randomId();
  }

  get current(): string {
    return this.#current;
  }

  /** Whether a token lets the client resume. Takes the same time for every wrong token. */
  accepts(token: string): boolean {
    const current = isEqual(token, this.#current);
    return isEqual(token, this.#used ?? this.#current) || current;
  }

  /** A client came with `token`: makes the next one. */
  next(token: string): void {
    this.#used = this.#former = token;
    this.#current = this.#prefix + randomId();
  }

  /** The one before the present, as long as that is good; "" for none. */
  get former(): string {
    return this.#used ?? "";
  }

  /** Goes on with both from another node. */
  keep(token: string, former: string): void {
    this.#current = token;
    this.#used = this.#former = former || undefined;
  }

  /** Whether it is the token before the present one, of which the client made use. */
  wasUsed(token: string): boolean {
    return this.#former !== undefined && isEqual(token, this.#former);
  }

  /** The client sent something: it has the current token. */
  proven(): void {
    this.#used = undefined;
  }
}
