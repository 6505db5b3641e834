import { Burst } from "../send/burst.ts";
import type { Connection } from "./connection.ts";
import type { Frame } from "../send/frame.ts";

/** Connections that get the same frames: all of this node, or a topic's listeners. */
export interface Group<Data> {
  readonly size: number;
  has(connection: Connection<Data>): boolean;
  values(): Iterable<Connection<Data>>;
}

/**
 * The frames that this tick sends to a whole group, queued once for all rather than once for each.
 *
 * It is handed on to the members before anything else may reach them: to one member before something is sent to it alone,
 * to all members before the group changes, before another group is sent to, and at the end of the tick. Each connection's
 * own queue so keeps the order of the calls.
 */
export class FanOut<Data> {
  readonly group: Group<Data>;
  readonly #frames: Frame[] = [];
  #burst: Burst | undefined = undefined;
  /** How many of the frames a member has passed: those it got, and those that leave it out. */
  readonly #passed = new Map<Connection<Data>, number>();

  constructor(group: Group<Data>) {
    this.group = group;
  }

  /** Queues a frame for all members except some, which must have got the earlier frames; returns how many were offered it. */
  add(frame: Frame, except: readonly Connection<Data>[]): number {
    this.#frames.push(frame);
    this.#burst = Burst.add(this.#burst, frame);
    for (const connection of except) this.#passed.set(connection, this.#frames.length);
    return this.group.size - except.length;
  }

  /** Gives a member the frames that it has not got yet. */
  handOn(connection: Connection<Data>): void {
    const passed = this.#passed.get(connection) ?? 0;
    if (passed === this.#frames.length || !this.group.has(connection)) return;
    this.#passed.set(connection, this.#frames.length);
    this.#give(connection, passed);
  }

  /** Gives all members the frames that they have not got yet; nothing may be added afterwards. */
  handOnAll(): void {
    const passed = this.#passed;
    if (passed.size === 0) {
      for (const connection of this.group.values()) this.#give(connection, 0);
    } else {
      for (const connection of this.group.values()) this.#give(connection, passed.get(connection) ?? 0);
    }
  }

  #give(connection: Connection<Data>, passed: number): void {
    const burst = this.#burst;
    if (burst === undefined) return;
    if (passed === 0) connection.enqueueBurst(burst);
    else for (let at = passed; at < this.#frames.length; at++) connection.append(this.#frames[at] as Frame);
  }
}
