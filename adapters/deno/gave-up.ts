import { unref } from "../../src/base/tick.ts";

/** Most upgrades are decided before this. */
const LOOK_AFTER_MS = 50;

/**
 * Notices that the peer of an upgrade gave up while it is being decided.
 *
 * Deno's own signal of a request is looked at only if the decision takes a while: its first use prints a warning, and it is
 * aborted after a success as well.
 */
export class GaveUp {
  readonly #controller = new AbortController();
  readonly #request: Request;
  readonly #timer: unknown;
  #signal: AbortSignal | undefined;

  constructor(request: Request) {
    this.#request = request;
    const timer = setTimeout(() => this.#look(), LOOK_AFTER_MS);
    unref(timer);
    this.#timer = timer;
  }

  /** Aborted when the peer gave up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The upgrade is decided: stops looking at the request. */
  release(): void {
    clearTimeout(this.#timer as number);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  #look(): void {
    const { signal } = this.#request;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort);
    if (signal.aborted) this.#onAbort();
  }

  readonly #onAbort = (): void => this.#controller.abort();
}
