import type { Limits } from "../base/limits.ts";
import type { Pulse } from "./pulse.ts";

/** What a {@link Heartbeat} looks after. */
export interface Beating {
  readonly pulse: Pulse;
  /** Looks after itself at `now`; the milliseconds until it wants to be looked after again, Infinity for never. */
  beat(now: number): number;
}

const SLOTS = 64;
const MIN_SLOT_MS = 5;
const MAX_SLOT_MS = 1_000;

/**
 * Looks after all connections of a node with one timer: a wheel of slots, each holding those whose time comes with it.
 *
 * Looking after one connection costs the same however many there are, and the timer runs only while there are any.
 */
export class Heartbeat {
  readonly #slots: Set<Beating>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #slotMs: number;
  readonly #pongMs: number;
  /** Whether any limit can ever come due. */
  readonly #beats: boolean;
  /** How many it looks after. */
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
    const { pulse } = one;
    if (pulse.slot < 0) return;
    this.#slots[pulse.slot]?.delete(one);
    pulse.slot = -1;
    this.#count--;
    if (this.#count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(now: number): void {
    this.#turnedAt = now;
    const timer: unknown = setInterval(() => this.turn(performance.now()), this.#slotMs);
    this.#timer = timer as ReturnType<typeof setInterval>;
    // Where a timer is an object it need not keep the process.
    if (typeof timer === "object" && timer !== null) (timer as { unref?: () => void }).unref?.();
  }

  /** Looks after everyone whose time has come by `now`. */
  turn(now: number): void {
    const due = Math.floor((now - this.#turnedAt) / this.#slotMs);
    this.#turnedAt += due * this.#slotMs;
    // A process that stood still has not read what its clients said meanwhile: nobody is judged by that.
    const stood = due * this.#slotMs > this.#pongMs / 2 + this.#slotMs;
    for (let turned = Math.min(due, SLOTS); turned > 0; turned--) {
      this.#current = (this.#current + 1) % SLOTS;
      const slot = this.#slots[this.#current] as Set<Beating>;
      if (slot.size === 0) continue;
      this.#slots[this.#current] = new Set();
      for (const one of slot) {
        // Whoever ends by being looked after is forgotten, and so may others be: they are in no slot any more.
        if (one.pulse.slot !== this.#current) continue;
        const delayMs = stood ? this.#pongMs : one.beat(now);
        if (one.pulse.slot === this.#current) this.#place(one, delayMs);
      }
    }
  }

  #place(one: Beating, delayMs: number): void {
    const slots = Math.min(SLOTS - 1, Math.max(1, Math.ceil(delayMs / this.#slotMs)));
    one.pulse.slot = (this.#current + slots) % SLOTS;
    this.#slots[one.pulse.slot]?.add(one);
  }
}
