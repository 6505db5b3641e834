import type { Limits } from "../base/limits.ts";
import type { Liveness } from "./liveness.ts";

/** A connection that a {@link Heartbeat} looks after. */
export interface Beating {
  readonly liveness: Liveness;
  /** Checks itself at `now`; returns the milliseconds until the next check, Infinity for never. */
  beat(now: number): number;
}

const SLOTS = 64;
const MIN_SLOT_MS = 5;
const MAX_SLOT_MS = 1_000;

/**
 * Looks after all connections of a node with one timer: a wheel of slots, each holding the connections that are due with it.
 *
 * The cost per connection does not grow with their number, and the timer runs only while there are connections.
 */
export class Heartbeat {
  readonly #slots: Set<Beating>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #slotMs: number;
  readonly #pongMs: number;
  /** Whether any limit of time is finite. */
  readonly #beats: boolean;
  /** How many connections it looks after. */
  #count = 0;
  #current = 0;
  #turnedAt = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor({ pingMs, pongMs, idleTimeoutMs, lifetimeMs }: Readonly<Limits>) {
    const shortest = Math.min(pingMs, pongMs, idleTimeoutMs, lifetimeMs);
    this.#slotMs = Math.min(MAX_SLOT_MS, Math.max(MIN_SLOT_MS, shortest / 15));
    this.#pongMs = pongMs;
    this.#beats = Math.min(pingMs, idleTimeoutMs, lifetimeMs) < Infinity;
  }

  /** Looks after a connection from now on. */
  add(one: Beating, now: number): void {
    const delayMs = this.#beats ? one.beat(now) : Infinity;
    if (delayMs === Infinity) return;
    if (this.#timer === undefined) this.#start(now);
    this.#count++;
    this.#place(one, delayMs);
  }

  /** Forgets a connection. */
  delete(one: Beating): void {
    const { liveness } = one;
    if (liveness.slot < 0) return;
    this.#slots[liveness.slot]?.delete(one);
    liveness.slot = -1;
    this.#count--;
    if (this.#count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(now: number): void {
    this.#turnedAt = now;
    const timer: unknown = setInterval(() => this.turn(performance.now()), this.#slotMs);
    this.#timer = timer as ReturnType<typeof setInterval>;
    // If the runtime's timer is an object, it must not keep the process alive.
    if (typeof timer === "object" && timer !== null) (timer as { unref?: () => void }).unref?.();
  }

  /** Checks every connection that is due at `now`. */
  turn(now: number): void {
    const due = Math.floor((now - this.#turnedAt) / this.#slotMs);
    this.#turnedAt += due * this.#slotMs;
    // A process that was suspended has not read its clients' messages yet: it must not judge their silence.
    const stood = due * this.#slotMs > this.#pongMs / 2 + this.#slotMs;
    for (let turned = Math.min(due, SLOTS); turned > 0; turned--) {
      this.#current = (this.#current + 1) % SLOTS;
      const slot = this.#slots[this.#current] as Set<Beating>;
      if (slot.size === 0) continue;
      this.#slots[this.#current] = new Set();
      for (const one of slot) {
        // A check may end this connection and others, which are then in no slot any more.
        if (one.liveness.slot !== this.#current) continue;
        const delayMs = stood ? this.#pongMs : one.beat(now);
        if (one.liveness.slot === this.#current) this.#place(one, delayMs);
      }
    }
  }

  #place(one: Beating, delayMs: number): void {
    const slots = Math.min(SLOTS - 1, Math.max(1, Math.ceil(delayMs / this.#slotMs)));
    one.liveness.slot = (this.#current + slots) % SLOTS;
    this.#slots[one.liveness.slot]?.add(one);
  }
}
