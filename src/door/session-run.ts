import { refuse, type UpgradeContext } from "./admission.ts";
import { type Decision, readDecision } from "./decision.ts";
import { MeshError } from "../base/error.ts";
import { closingRefusal, Refused } from "./refusal.ts";
import type { SessionFactory, UpgradeInfo } from "../client/session.ts";

/**
 * One call of the application's session factory.
 *
 * It ends with the decision, or earlier with a refusal: when the client gives up, `timeoutMs` passed, or the node closes.
 * Only such an early end aborts the signal that the factory got.
 */
export class SessionRun<Data> {
  readonly #context: UpgradeContext;
  #abort: AbortController | undefined;
  #early: { readonly refused: Refused; readonly cause: MeshError } | undefined;
  #end: (refused: Refused) => void = () => {};

  constructor(context: UpgradeContext) {
    this.#context = context;
  }

  async run(factory: SessionFactory<Data>, request: Request, timeoutMs: number): Promise<Decision<Data> | Refused> {
    const returned: unknown = factory(request, this.#info());
    if (!isThenable(returned)) return readDecision("session", returned);
    const decided = await this.#whicheverIsFirst(returned, timeoutMs);
    return decided instanceof Refused ? decided : readDecision("session", decided);
  }

  /** The node is closing. */
  close(): void {
    this.#stop(closingRefusal(), new MeshError("canceled", "the node is closing"));
  }

  async #whicheverIsFirst(returned: PromiseLike<unknown>, timeoutMs: number): Promise<unknown> {
    const { signal } = this.#context;
    const early = new Promise<Refused>((resolve) => (this.#end = resolve));
    const onTimeout = (): void =>
      this.#stop(tooLong(), new MeshError("deadline_exceeded", "the upgrade took too long"));
    const onGaveUp = (): void => this.#stop(tooLong(), new MeshError("canceled", "the client gave up"));
    const timer = setTimeout(onTimeout, timeoutMs);
    signal?.addEventListener("abort", onGaveUp, { once: true });
    if (signal?.aborted) onGaveUp();
    try {
      return await Promise.race([early, returned]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onGaveUp);
      this.#end = () => {};
    }
  }

  #stop(refused: Refused, cause: MeshError): void {
    if (this.#early) return;
    this.#early = { refused, cause };
    this.#abort?.abort(cause);
    this.#end(refused);
  }

  /** The second argument of the factory. The signal is made when it is read: few read it, and it costs more than all the rest. */
  #info(): UpgradeInfo {
    const { remoteAddress } = this.#context;
    const signal = (): AbortSignal => this.#signal();
    return {
      remoteAddress,
      get signal() {
        return signal();
      },
    };
  }

  #signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#early) this.#abort.abort(this.#early.cause);
    }
    return this.#abort.signal;
  }
}

function tooLong(): Refused {
  return new Refused("timeout", refuse(503, "the upgrade took too long", { "retry-after": "1" }));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
