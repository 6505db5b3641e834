import { Burst } from "../send/burst.ts";
import type { HubClient } from "./hub-client.ts";
import type { Frame } from "../send/frame.ts";

/** Clients that get the same frames: all of this node, or a topic's listeners. */
export interface Group<Data> {
  readonly size: number;
  has(client: HubClient<Data>): boolean;
  values(): Iterable<HubClient<Data>>;
}

/**
 * The frames that this tick sends to a whole group, queued once for all rather than once for each.
 *
 * It is handed on to the members before anything else may reach them: to one member before something is sent to it alone,
 * to all members before the group changes, before another group is sent to, and at the end of the tick. Each client's
 * own queue so keeps the order of the calls.
 */
export class FanOut<Data> {
  readonly group: Group<Data>;
  readonly #frames: Frame[] = [];
  #burst: Burst | undefined = undefined;
  /** How many of the frames a member has passed: those it got, and those that leave it out. */
  readonly #passed = new Map<HubClient<Data>, number>();

  constructor(group: Group<Data>) {
    this.group = group;
  }

  /** Queues a frame for all members except some, which must have got the earlier frames; returns how many were offered it. */
  add(frame: Frame, except: readonly HubClient<Data>[]): number {
    this.#frames.push(frame);
    this.#burst = Burst.add(this.#burst, frame);
    for (const client of except) this.#passed.set(client, this.#frames.length);
    return this.group.size - except.length;
  }

  /** Gives a member the frames that it has not got yet. */
  handOn(client: HubClient<Data>): void {
    const passed = this.#passed.get(client) ?? 0;
    if (passed === this.#frames.length || !this.group.has(client)) return;
    this.#passed.set(client, this.#frames.length);
    this.#give(client, passed);
  }

  /** Gives all members the frames that they have not got yet; nothing may be added afterwards. */
  handOnAll(): void {
    const passed = this.#passed;
    if (passed.size === 0) {
      for (const client of this.group.values()) this.#give(client, 0);
    } else {
      for (const client of this.group.values()) this.#give(client, passed.get(client) ?? 0);
    }
  }

  #give(client: HubClient<Data>, passed: number): void {
    const burst = this.#burst;
    if (burst === undefined) return;
    if (passed === 0) client.outbox.enqueueBurst(burst);
    else for (let at = passed; at < this.#frames.length; at++) client.outbox.append(this.#frames[at] as Frame);
  }
}
