import { unref } from "../../base/tick.ts";

/** Ends a client at the time until which its session holds, whether the client is connected or away. */
export class Expiry {
  readonly #client: ExpiringClient;
  #at: number | undefined;
  #timer: unknown;

  constructor(client: ExpiringClient) {
    this.#client = client;
  }

  /** Milliseconds since 1970; undefined: never. */
  get at(): number | undefined {
    return this.#at;
  }

  set at(expiresAt: number | undefined) {
    this.stop();
    this.#at = expiresAt;
    if (expiresAt !== undefined) this.#wait(expiresAt);
  }

  stop(): void {
    clearTimeout(this.#timer as number);
  }

  #wait(at: number): void {
    const leftMs = Math.max(1, at - Date.now());
    this.#timer = setTimeout(() => this.#due(at), Math.min(leftMs, MAX_TIMER_MS));
    unref(this.#timer);
  }

  /** A timer may be early, as the clock was set or the time was too long for one. */
  #due(at: number): void {
    if (Date.now() < at) this.#wait(at);
    else this.#client.expired();
  }
}

/** Longer than this a timer of the platform does not wait. */
const MAX_TIMER_MS = 2_147_483_647;

/** The client of an {@link Expiry}. */
export interface ExpiringClient {
  /** Its time is over. */
  expired(): void;
}
