import type { Limits } from "../base/limits.ts";
import { type Rate, rate, take } from "../base/rate.ts";

/** How fast one client sends: its messages, and its pings and pongs. Times are of `performance.now()`. */
export class Pace {
  readonly #rates: Rates;
  #messagesFullAt = 0;
  #controlsFullAt = 0;

  constructor(limits: Readonly<Limits>) {
    this.#rates = ratesOf(limits);
  }

  /** Counts a message; false if they come too fast. */
  message(now: number): boolean {
    const fullAt = take(this.#rates.messages, this.#messagesFullAt, now);
    if (fullAt !== undefined) this.#messagesFullAt = fullAt;
    return fullAt !== undefined;
  }

  /** Counts a ping or a pong; false if they come too fast. */
  control(now: number): boolean {
    const fullAt = take(this.#rates.controls, this.#controlsFullAt, now);
    if (fullAt !== undefined) this.#controlsFullAt = fullAt;
    return fullAt !== undefined;
  }
}

interface Rates {
  readonly messages: Rate;
  readonly controls: Rate;
}

const known = new WeakMap<Readonly<Limits>, Rates>();

/** The rates of a hub's clients, computed once for each hub's limits. */
function ratesOf(limits: Readonly<Limits>): Rates {
  let rates = known.get(limits);
  if (rates) return rates;
  rates = {
    messages: rate(limits.messagesPerSecond, limits.messageBurst),
    controls: rate(limits.controlsPerSecond, limits.controlBurst),
  };
  known.set(limits, rates);
  return rates;
}
