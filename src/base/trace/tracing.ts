/**
 * TRACING SEAM: follows what a hub does, from span to span. `meshsocket/otel` implements it.
 *
 * Each method runs what it is given, at once and exactly once, and returns or throws what that does: tracing changes no result,
 * and no order.
 */
export interface Tracing {
  /** Runs a handler of a client's session. */
  handler<Result>(name: string, client: string, run: () => Result): Result;
  /** Runs a call of the application. */
  verb<Result>(verb: string, run: () => Promise<Result>): Promise<Result>;
  /** Runs an item of another node. */
  received<Result>(kind: string, traceparent: string, run: () => Result): Result;
  /** Answers an RPC of a back-end. */
  rpc<Result>(service: string, method: string, traceparent: string | null, run: () => Promise<Result>): Promise<Result>;
  /** The span that is active, as W3C Trace Context writes it; undefined if none is. */
  traceparent(): string | undefined;
}

/** The tracing of a hub or of a DistClient. */
export class Traces {
  /** Undefined while nobody traces, which costs a comparison. */
  current: Tracing | undefined = undefined;
}
