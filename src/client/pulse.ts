import { CloseCode } from "../base/close-code.ts";
import type { Limits } from "../base/limits.ts";
import { type Rate, rate, take } from "../base/rate.ts";
import type { Pingable } from "./text-ping.ts";

/** How a connection is to end that broke a limit of time; `code` 1006 is a cut. */
export interface Verdict {
  readonly code: number;
  readonly reason: string;
}

const DEAD: Verdict = { code: CloseCode.Abnormal, reason: "" };
const IDLE: Verdict = { code: CloseCode.IdleTimeout, reason: "idle for too long" };
const EXPIRED: Verdict = { code: CloseCode.LifetimeOver, reason: "the connection lasted its time" };

/** A ping goes out when this part of `pingMs`, and up to as much more as the jitter, was quiet. */
const PING_AFTER = 0.7;
const PING_JITTER = 0.15;

interface Pace {
  readonly messages: Rate;
  readonly controls: Rate;
}

const paces = new WeakMap<Readonly<Limits>, Pace>();

/** The rates of a hub's clients, worked out once for each hub's limits. */
function paceOf(limits: Readonly<Limits>): Pace {
  let pace = paces.get(limits);
  if (pace) return pace;
  pace = {
    messages: rate(limits.messagesPerSecond, limits.messageBurst),
    controls: rate(limits.controlsPerSecond, limits.controlBurst),
  };
  paces.set(limits, pace);
  return pace;
}

/** The signs of life of one client: how fast they come, and whether they still do. Times are of `performance.now()`. */
export class Pulse {
  /** Where the heartbeat's wheel has the connection; -1 for nowhere. */
  slot = -1;
  readonly #limits: Readonly<Limits>;
  readonly #pace: Pace;
  readonly #openedAt: number;
  #heardAt: number;
  #messageAt: number;
  /** When the unanswered ping was sent; 0 for none. */
  #pingedAt = 0;
  /** What was waiting to be read by the client then. */
  #bufferedAtPing = 0;
  #messagesFullAt = 0;
  #controlsFullAt = 0;

  constructor(limits: Readonly<Limits>, now: number) {
    this.#limits = limits;
    this.#pace = paceOf(limits);
    this.#openedAt = this.#heardAt = this.#messageAt = now;
  }

  /** A message came; false when they come too fast. */
  message(now: number): boolean {
    this.#heardAt = this.#messageAt = now;
    const fullAt = take(this.#pace.messages, this.#messagesFullAt, now);
    if (fullAt !== undefined) this.#messagesFullAt = fullAt;
    return fullAt !== undefined;
  }

  /** A ping or a pong came; false when they come too fast. */
  control(now: number): boolean {
    this.#heardAt = now;
    const fullAt = take(this.#pace.controls, this.#controlsFullAt, now);
    if (fullAt !== undefined) this.#controlsFullAt = fullAt;
    return fullAt !== undefined;
  }

  /** This side does not read: the client's silence means nothing. */
  deaf(now: number): void {
    this.#heardAt = now;
    this.#pingedAt = 0;
  }

  /** Looks after the connection: the milliseconds until the next look, or how it is to end. */
  beat(now: number, socket: Pingable): number | Verdict {
    const { lifetimeMs, idleTimeoutMs, pingMs } = this.#limits;
    const left = this.#openedAt + lifetimeMs - now;
    if (left <= 0) return EXPIRED;
    const idle = this.#messageAt + idleTimeoutMs - now;
    if (idle <= 0) return IDLE;
    if (pingMs === Infinity) return Math.min(left, idle);
    const next = socket.ping ? this.#ping(now, socket) : this.#watch(now, socket);
    return next === undefined ? DEAD : Math.min(left, idle, next);
  }

  /** The milliseconds until the next look at the pings; undefined when the last one was not answered in time. */
  #ping(now: number, socket: Pingable): number | undefined {
    const { pingMs, pongMs } = this.#limits;
    if (this.#pingedAt > this.#heardAt) {
      const waited = now - this.#pingedAt;
      if (waited < pongMs) return pongMs - waited;
      // A client that reads slowly gets to the ping only after what was sent before it.
      if (socket.bufferedAmount >= this.#bufferedAtPing) return undefined;
      this.#await(now, socket);
      return pongMs;
    }
    const quiet = now - this.#heardAt;
    if (quiet < pingMs * PING_AFTER) return pingMs * (PING_AFTER + PING_JITTER * Math.random()) - quiet;
    this.#await(now, socket);
    socket.ping?.();
    return pongMs;
  }

  /**
   * The milliseconds until the next look at a peer that cannot be pinged, or whose engine pings it; undefined when it took
   * nothing of what is held for it, behind which that ping would wait, and said nothing either.
   */
  #watch(now: number, socket: Pingable): number | undefined {
    const { pingMs, pongMs } = this.#limits;
    const { bufferedAmount } = socket;
    const stands = bufferedAmount > 0 && bufferedAmount >= this.#bufferedAtPing && this.#pingedAt > this.#heardAt;
    if (!stands) this.#await(now, socket);
    else if (now - this.#pingedAt >= pingMs) return undefined;
    return pongMs / 2;
  }

  #await(now: number, socket: Pick<Pingable, "bufferedAmount">): void {
    this.#pingedAt = now;
    this.#bufferedAtPing = socket.bufferedAmount;
  }
}
