import { about } from "../base/log/about.ts";
import type { HubStatus } from "../base/hub-status.ts";
import type { Logger } from "../base/log/logger.ts";
import { HubEventTarget } from "./hub-events.ts";

/** The status of a hub, which changes here and nowhere else, and the events that report it. */
export class HubState {
  readonly events: HubEventTarget;
  readonly #logger: Logger;
  readonly #changes = new EventTarget();
  #status: HubStatus;
  #closing = false;
  #since = new Date();
  #trouble: unknown;

  constructor(logger: Logger, status: "starting" | "ready") {
    this.#logger = logger;
    this.#status = status;
    this.events = new HubEventTarget(logger);
    this.events.on(
      "nodejoin",
      ({ node }) => logger.info(`meshsocket: node ${node.host} joined`, about("node_joined", { node: node.host })),
    );
    this.events.on(
      "nodeleave",
      ({ node }) => logger.info(`meshsocket: node ${node.host} left`, about("node_left", { node: node.host })),
    );
  }

  get status(): HubStatus {
    return this.#status;
  }

  /** When the status began, or the drain. */
  get since(): Date {
    return this.#since;
  }

  /** The last error that kept the hub degraded. */
  get trouble(): unknown {
    return this.#trouble;
  }

  /** Whether the hub takes no new clients any more. */
  get closing(): boolean {
    return this.#closing;
  }

  /** The storage answers: the hub serves, for the first time or again. */
  ready(): void {
    if (this.#status !== "starting" && this.#status !== "degraded") return;
    this.#become("ready");
    this.#logger.info("meshsocket: ready", about("ready"));
    this.events.dispatch("ready", { status: "ready" });
  }

  /** The storage does not answer, or another node has this node's address. */
  degraded(error: unknown): void {
    this.#trouble = error;
    if (this.#status !== "ready") return;
    this.#become("degraded");
    this.#logger.warn(
      "meshsocket: degraded: clients stay and new ones are refused until the storage answers",
      error,
      about("degraded"),
    );
    this.events.dispatch("degraded", { error });
  }

  /** The hub is not ready any more, and still takes clients until {@link HubState.drain}. */
  announce(): void {
    this.#become("draining");
    this.events.dispatch("draining", { status: "draining" });
  }

  /** The hub takes no new clients any more. */
  drain(): void {
    this.#closing = true;
    this.#since = new Date();
    this.#logger.info("meshsocket: draining: clients are told to connect to another node", about("draining"));
  }

  /** The last client is gone. */
  drained(): void {
    this.events.dispatch("drained", { status: "draining" });
  }

  closed(): void {
    const durationMs = Date.now() - this.#since.getTime();
    this.#become("closed");
    this.#logger.info("meshsocket: closed", about("closed", { durationMs }));
    this.events.dispatch("close", { status: "closed" });
  }

  /** Settles when the status changes, or the signal is aborted. */
  nextChange(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const settle = (): void => {
        signal.removeEventListener("abort", settle);
        this.#changes.removeEventListener("change", settle);
        resolve();
      };
      signal.addEventListener("abort", settle);
      this.#changes.addEventListener("change", settle);
    });
  }

  #become(status: HubStatus): void {
    this.#status = status;
    this.#since = new Date();
    this.#changes.dispatchEvent(new Event("change"));
  }

  /** A call of the application rejected. */
  sendFailed(error: unknown): void {
    this.#logger.warn("meshsocket: a call failed", error, about("call_failed"));
    this.events.dispatch("sendfailed", { error });
  }
}
