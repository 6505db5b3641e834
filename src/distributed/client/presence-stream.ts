import { backoffMs } from "../../base/backoff.ts";
import { errorCode } from "../../base/error.ts";
import type { OpenWatch, PresenceStep } from "./cluster-verbs.ts";
import { PresenceView, type PresentMember } from "../../hub/presence-view.ts";

/** The only source of the view: the node says itself where the members are. */
const NODE = "";
/** A stream without a sign of life for so long is opened again. */
const SILENCE_MS = 45_000;

/** The stream of a topic's members from one node; opened again, with all members, whenever it breaks. */
export class PresenceStream {
  readonly #open: OpenWatch;
  readonly #view: PresenceView;
  readonly #ready = Promise.withResolvers<void>();
  readonly #signal: AbortSignal;
  /** The members that were told since the stream was opened; undefined once it has told all. */
  #told: Map<string, PresentMember> | undefined;
  #failures = 0;

  /** `signal` closes it. */
  constructor(open: OpenWatch, onChange: ConstructorParameters<typeof PresenceView>[1], signal: AbortSignal) {
    this.#open = open;
    this.#view = new PresenceView(0, onChange);
    this.#signal = signal;
    this.ready.catch(() => {});
    if (signal.aborted) this.#close();
    else signal.addEventListener("abort", () => this.#close(), { once: true });
  }

  /** Settles when all members that were there at the start are known; rejects if the node refuses to tell. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  #close(): void {
    this.#view.close();
    this.#ready.resolve();
  }

  async run(): Promise<void> {
    const signal = this.#signal;
    while (!signal.aborted) {
      try {
        await this.#read(signal);
      } catch (error) {
        if (FINAL.has(errorCode(error) ?? "")) return this.#ready.reject(error);
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, backoffMs(this.#failures++)));
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const silent = new AbortController();
    const late = (): ReturnType<typeof setTimeout> => setTimeout(() => silent.abort(), SILENCE_MS);
    let timer = late();
    this.#told = new Map();
    try {
      for await (const step of this.#open(AbortSignal.any([signal, silent.signal]))) {
        if (signal.aborted) return;
        clearTimeout(timer);
        timer = late();
        this.#failures = 0;
        this.#heard(step);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #heard({ change, id, user, info }: PresenceStep): void {
    if (change === "ready") {
      this.#view.snapshot(NODE, [...(this.#told?.values() ?? [])]);
      this.#told = undefined;
      this.#ready.resolve();
    } else if (change === "leave") {
      if (!this.#told?.delete(id)) this.#view.left(NODE, id, false);
    } else if (change === "join" || change === "update") {
      if (this.#told) this.#told.set(id, { id, user, info });
      else this.#view.joined(NODE, { id, user, info });
    }
  }
}

/** Another attempt would fail as well. */
const FINAL: ReadonlySet<string> = new Set([
  "invalid_argument",
  "unauthenticated",
  "permission_denied",
  "unimplemented",
]);
