import { Burst } from "../send/burst.ts";
import type { Deltas } from "./delta/deltas.ts";
import type { Frame } from "../send/frame.ts";
import type { Outbox, OutboxClient } from "./outbox.ts";

/**
 * The frames that this tick sends to a whole group, queued once for all rather than once for each.
 *
 * It is handed on to the members before anything else may reach them: to one member before something is sent to it alone,
 * to all members before the group changes, before another group is sent to, and at the end of the tick. Each client's
 * own queue so keeps the order of the calls.
 */
export class FanOut<Member extends FanOutMember> {
  readonly group: Group<Member>;
  /** Members remember this number, because the fan-out itself would keep its frames alive. */
  readonly #number: number = (made = (made + 1) | 0);
  readonly #frames: Frame[] = [];
  #burst: Burst | undefined = undefined;
  /** The same messages for members that get them tagged. */
  #tagged: Burst | undefined = undefined;
  /** The same for members that get deltas and are in step. */
  #deltas: Burst | undefined = undefined;
  /** How many of the frames a member has passed: those it got, and those that leave it out. */
  readonly #passed = new Map<Member, number>();

  constructor(group: Group<Member>) {
    this.group = group;
  }

  /** Queues a frame for all members except some, which must have got the earlier frames; returns how many were offered it. */
  add(frame: Frame, except: readonly Member[]): number {
    this.#frames.push(frame);
    this.#burst = Burst.add(this.#burst, frame);
    if (frame.tagged !== undefined) this.#tagged = Burst.add(this.#tagged, frame.tagged);
    if (this.group.deltas !== undefined) this.#deltas = Burst.add(this.#deltas, frame.delta ?? frame.tagged ?? frame);
    for (const client of except) {
      this.#passed.set(client, this.#frames.length);
      this.group.deltas?.got(client, false);
    }
    return this.group.size - except.length;
  }

  /** Gives a member the frames that it has not got yet. */
  handOn(client: Member): void {
    if (client.outbox.handed === this.#number) return;
    const passed = this.#passed.get(client) ?? 0;
    if (passed === this.#frames.length || !this.group.has(client)) return;
    this.#passed.set(client, this.#frames.length);
    this.#give(client, passed, false);
  }

  /**
   * Gives all members the frames that they have not got yet; nothing may be added afterwards. If the tick `ends` with
   * them, they are written at once to members that get nothing else: a second pass would fetch each client again.
   */
  handOnAll(ends: boolean): void {
    const passed = this.#passed;
    // A listener of a lost client may send, or have others join meanwhile: the copy leaves these out.
    for (const client of [...this.group.values()]) {
      const { outbox } = client;
      if (outbox.handed === this.#number) continue;
      outbox.handed = this.#number;
      this.#give(client, passed.size === 0 ? 0 : passed.get(client) ?? 0, ends);
    }
  }

  #give(client: Member, passed: number, ends: boolean): void {
    const burst = this.#tagged !== undefined && this.group.tagged?.has(client) ? this.#tagged : this.#burst;
    if (burst === undefined) return;
    const { deltas, newest } = this.group;
    if (newest?.keep(client, this.#frames.slice(passed), burst.byteLength)) return deltas?.got(client, false);
    if (deltas?.has(client)) return this.#giveDeltas(client, passed, deltas, ends);
    if (passed === 0) client.outbox.enqueueBurst(burst, ends);
    else for (const frame of burst.frames.slice(passed)) client.outbox.append(frame);
  }

  #giveDeltas(client: Member, passed: number, deltas: GroupDeltas<Member>, ends: boolean): void {
    let isInStep = deltas.isInStep(client);
    if (isInStep && passed === 0 && this.#deltas !== undefined && client.outbox.takeBurst(this.#deltas, ends)) return;
    for (const frame of this.#frames.slice(passed)) isInStep = client.outbox.append(formOf(frame, isInStep));
    deltas.got(client, isInStep);
  }
}

/** How many fan-outs there were. */
let made = 0;

/** The form of a topic's message for a client that gets deltas, and has the message before or not. */
export function formOf(frame: Frame, isInStep: boolean): Frame {
  return (isInStep ? frame.delta : undefined) ?? frame.tagged ?? frame;
}

/** The members of a group that get deltas. */
type GroupDeltas<Member> = Pick<Deltas<Member>, "got" | "has" | "isInStep">;

/** Clients that get the same frames: all of this node, or a topic's listeners. */
export interface Group<Member> {
  /** Members that get {@link Frame.tagged}. */
  readonly tagged?: ReadonlySet<Member> | undefined;
  /** The newest message for members that read slowly; undefined if they get every message. */
  readonly newest?: { keep(client: Member, frames: readonly Frame[], bytes: number): boolean } | undefined;
  /** Undefined if no member gets deltas. */
  readonly deltas?: GroupDeltas<Member> | undefined;
  readonly size: number;
  has(client: Member): boolean;
  values(): Iterable<Member>;
}

/** A client in a group of a {@link FanOut}. */
export interface FanOutMember {
  readonly outbox: Pick<Outbox<OutboxClient>, "append" | "enqueueBurst" | "handed" | "takeBurst">;
}
