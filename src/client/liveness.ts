import { CloseCode } from "../base/close-code.ts";
import type { Limits } from "../base/limits.ts";
import type { Pingable } from "./text-ping.ts";

/**
 * The signs of life of one connection: when it was last heard, and whether the last ping was answered.
 * Times are of `performance.now()`.
 */
export class Liveness {
  /** The slot of the heartbeat's wheel that has the connection; -1 for none. */
  slot = -1;
  readonly #limits: Readonly<Limits>;
  readonly #openedAt: number;
  #heardAt: number;
  #messageAt: number;
  /** When the unanswered ping was sent; 0 for none. */
  #pingedAt = 0;
  /** The bytes that waited for the client to read at that time. */
  #bufferedAtPing = 0;

  constructor(limits: Readonly<Limits>, now: number) {
    this.#limits = limits;
    this.#openedAt = this.#heardAt = this.#messageAt = now;
  }

  /** A message came. */
  message(now: number): void {
    this.#heardAt = this.#messageAt = now;
  }

  /** A ping or a pong came. */
  control(now: number): void {
    this.#heardAt = now;
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

  /** The milliseconds until the next look at the pings; undefined if the last one was not answered in time. */
  #ping(now: number, socket: Pingable): number | undefined {
    const { pingMs, pongMs } = this.#limits;
    if (this.#pingedAt > this.#heardAt) {
      const waited = now - this.#pingedAt;
      if (waited < pongMs) return pongMs - waited;
      // A client that reads slowly gets to the ping only after everything sent before it.
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
   * The milliseconds until the next look at a peer that cannot be pinged, or whose engine pings it. Undefined if it sent
   * nothing and read nothing of the bytes that wait for it: a ping of the engine would wait behind them.
   */
  #watch(now: number, socket: Pingable): number | undefined {
    const { pingMs, pongMs } = this.#limits;
    const { bufferedAmount } = socket;
    const stuck = bufferedAmount > 0 && bufferedAmount >= this.#bufferedAtPing && this.#pingedAt > this.#heardAt;
    if (!stuck) this.#await(now, socket);
    else if (now - this.#pingedAt >= pingMs) return undefined;
    return pongMs / 2;
  }

  #await(now: number, socket: Pick<Pingable, "bufferedAmount">): void {
    this.#pingedAt = now;
    this.#bufferedAtPing = socket.bufferedAmount;
  }
}

/** How a connection ends that broke a limit of time; `code` 1006 is a cut. */
export interface Verdict {
  readonly code: number;
  readonly reason: string;
}

const DEAD: Verdict = { code: CloseCode.Abnormal, reason: "" };
const IDLE: Verdict = { code: CloseCode.IdleTimeout, reason: "idle for too long" };
const EXPIRED: Verdict = { code: CloseCode.LifetimeOver, reason: "the connection lasted its time" };

/** A ping goes out after this part of `pingMs` without a sign of life, and up to the jitter later. */
const PING_AFTER = 0.7;
const PING_JITTER = 0.15;
