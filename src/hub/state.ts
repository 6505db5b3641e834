import { errorCode } from "../base/error.ts";
import type { HubStatus } from "../base/hub-status.ts";
import type { Logger } from "../base/logger.ts";
import { HubEventTarget } from "./hub-events.ts";

/** The status of a hub, which changes here and nowhere else, and the events that report it. */
export class HubState {
  readonly events: HubEventTarget;
  readonly #logger: Logger;
  #status: HubStatus;

  constructor(logger: Logger, status: "starting" | "ready") {
    this.#logger = logger;
    this.#status = status;
    this.events = new HubEventTarget(logger);
  }

  get status(): HubStatus {
    return this.#status;
  }

  /** Whether the hub takes no new clients any more. */
  get closing(): boolean {
    return this.#status === "draining" || this.#status === "closed";
  }

  /** The storage answers: the hub serves, for the first time or again. */
  ready(): void {
    if (this.#status !== "starting" && this.#status !== "degraded") return;
    this.#status = "ready";
    this.events.dispatch("ready", { status: "ready" });
  }

  /** The storage does not answer. */
  degraded(error: unknown): void {
    if (this.#status !== "ready") return;
    this.#status = "degraded";
    this.events.dispatch("degraded", { error });
  }

  draining(): void {
    this.#status = "draining";
  }

  /** The last client is gone. */
  drained(): void {
    this.events.dispatch("drained", { status: "draining" });
  }

  closed(): void {
    this.#status = "closed";
    this.events.dispatch("close", { status: "closed" });
  }

  /** A call of the application rejected. */
  sendFailed(error: unknown): void {
    if (errorCode(error) === "invalid_argument") this.#logger.error("meshsocket: a call had a bad argument", error);
    else this.#logger.warn("meshsocket: a call failed", error);
    this.events.dispatch("sendfailed", { error });
  }
}
