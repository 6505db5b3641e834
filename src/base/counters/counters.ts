import { Histogram, PARTS, SECONDS, SIZES } from "./histogram.ts";

/** One in so many calls of `onEvent` is measured: reading the clock for each would cost more than all else that is counted. */
export const SAMPLE = 16;

/** How often each of a few things happened, by its name. */
export type Tally = Record<string | number, number>;

/** Counts one more of a name. */
export function bump(tally: Tally, name: string | number): void {
  tally[name] = (tally[name] ?? 0) + 1;
}

/**
 * All that one hub counts: plain numbers that its parts change as they go, and that only a reader looks at.
 *
 * Fields that say "now" rise and fall, all others only grow. Names in a {@link Tally} come from a closed set: close codes,
 * reasons, verbs, error codes; never an id, a topic or an address. `meshsocket/prometheus` names and documents each number.
 */
export class Counters {
  // ---- clients ----

  connects = 0;
  /** By close code. */
  readonly closes: Tally = {};
  /** Connections that made no client, by reason. */
  readonly refusals: Tally = {};
  /** Clients whose connection dropped and that may come back, now. */
  awayNow = 0;
  /** How often a client became away. */
  aways = 0;
  /** Away clients that were given up, by reason. */
  readonly lost: Tally = {};
  /** Clients that came back to resume: `resumed`, or why they could not. */
  readonly resumes: Tally = {};

  // ---- messages ----

  received = 0;
  /** Text counts one for each UTF-16 unit. */
  receivedBytes = 0;
  sent = 0;
  /** On the wire, before compression. */
  sentBytes = 0;
  /** Messages that a client's socket did not take, because its buffer was full or it was closing. */
  dropped = 0;
  /** Messages that a newer one of their topic replaced before a slow client had read so far. */
  conflated = 0;
  /** When a message or the end of a handler was last seen, by the monotonic clock. */
  nowMs = 0;
  /** Messages that were handed to `onEvent`. */
  handled = 0;
  /** Seconds of `onEvent`. Of calls that return no promise one in {@link SAMPLE} is measured, and counted so often. */
  readonly eventSeconds: Histogram = new Histogram(SECONDS);
  /** Seconds of `onRequest`. */
  readonly requestSeconds: Histogram = new Histogram(SECONDS);
  /** Errors of handlers, by handler. */
  readonly handlerErrors: Tally = {};
  /** Of clients that had not read everything when more was sent: the part of `limits.maxBufferedBytes` that was full. */
  readonly buffers: Histogram = new Histogram(PARTS);

  // ---- sends ----

  /** The outcomes of the calls of each verb: `ok`, `missed` (nobody), `partial` (some nodes), or the code of an error. */
  readonly sends: Record<string, Tally> = {};
  /** How many clients of this node a broadcast or a publish was offered to. */
  readonly fanOuts: Histogram = new Histogram(SIZES);

  // ---- other nodes ----

  /** Other nodes that live, now. */
  nodesNow = 0;
  /** Lines to other nodes that are open, now. */
  linksNow = 0;
  /** Calls that wait for other nodes, now, and their bytes. */
  linkCallsNow = 0;
  linkBytesNow = 0;
  linkOpens = 0;
  /** Lines that broke, by the code of the error. */
  readonly linkBreaks: Tally = {};
  /** Seconds until a batch was answered. */
  readonly linkSeconds: Histogram = new Histogram(SECONDS);
  /** How many calls a batch held. */
  readonly batches: Histogram = new Histogram(SIZES);
  /** Ids whose node is remembered, now. */
  routesNow = 0;
  routeHits = 0;
  routeLookUps = 0;
  /** Routes that turned out wrong. */
  routesStale = 0;

  // ---- storage ----

  /** By call, and then by `ok` or the code of the error. */
  readonly storage: Record<string, Tally> = {};
  /** Seconds, by call. */
  readonly storageSeconds: Record<string, Histogram> = {};
  /** Until when the lease lasts, by the monotonic clock; undefined without a lease. */
  leaseEndsAtMs: number | undefined = undefined;
  /** Leases that were lost: to a lapse, to a wiped storage or to another node. */
  leasesLost = 0;
}
