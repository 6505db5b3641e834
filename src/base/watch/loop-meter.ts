import { unref } from "../tick.ts";

/** Measures how late the event loop is: a timer that is set again and again tells by how much it came too late. */
export class LoopMeter {
  readonly #everyMs: number;
  readonly #onDelay: (ms: number) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = 0;

  /** `onDelay` gets the delay of each beat. Nothing is measured before {@link LoopMeter.start}. */
  constructor(everyMs: number, onDelay: (ms: number) => void) {
    this.#everyMs = everyMs;
    this.#onDelay = onDelay;
  }

  get running(): boolean {
    return this.#timer !== undefined;
  }

  /** By how much the beat that is waited for is too late by now, in milliseconds. */
  get overdueMs(): number {
    return this.running ? Math.max(0, performance.now() - this.#dueMs) : 0;
  }

  start(): void {
    this.#dueMs = performance.now() + this.#everyMs;
    this.#timer = setTimeout(() => this.#beat(), this.#everyMs);
    unref(this.#timer);
  }

  #beat(): void {
    const lateMs = this.overdueMs;
    this.start();
    this.#onDelay(lateMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
