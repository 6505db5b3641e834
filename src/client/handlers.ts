import type { Traces } from "../base/trace/tracing.ts";
import { type About, about } from "../base/log/about.ts";
import { bump, type Counters, SAMPLE } from "../base/counters/counters.ts";
import { Backlog } from "./backlog.ts";
import type { Client } from "./client.ts";
import { checkExpiry } from "./token/check-expiry.ts";
import { CloseCode } from "../base/close-code.ts";
import { kindOf } from "../base/check/check.ts";
import { MeshError } from "../base/error.ts";
import { Frame } from "../send/frame.ts";
import { checkSize } from "../send/sender.ts";
import type { Limits } from "../base/limits.ts";
import type { Recorder } from "../base/watch/recorder.ts";
import type { SessionFields } from "./session.ts";
import type { Socket } from "./socket.ts";
import type { Tapped } from "./watch/tapped.ts";

/** How a connection ended. */
export interface End {
  readonly code: number;
  readonly reason: string;
}

/** The end of a connection that was cut. */
export const CUT: End = { code: CloseCode.Abnormal, reason: "" };

/** The end of a client, with the messages that it never acknowledged. */
interface LastWords extends End {
  readonly undelivered: readonly (string | Uint8Array)[];
}

/** Dependencies of {@link Handlers}. */
export interface HandlersDependencies<Data> {
  readonly limits: Readonly<Limits>;
  readonly counters: Counters;
  readonly traces: Traces;
  readonly recorder: Recorder;
  /** Whether a client stays after one of its handlers failed. */
  readonly staysAfterError: boolean;
  /** The client is connected: `onConnect` follows. */
  connected(client: Client<Data>): void;
  /** The connection ended: `onDisconnect` follows. */
  disconnected(client: Client<Data>, end: End): void;
  /** Logs a failure that no caller sees. */
  report(text: string, error: unknown, what: About): void;
}

/** Something to do in its turn among the messages. */
interface Turn {
  readonly name: HandlerName;
  /** Bytes that it holds while it waits. */
  readonly bytes: number;
  run(): unknown;
}

/** A handler of a session, as errors name it. */
export type HandlerName = Exclude<keyof SessionFields & `on${string}`, "onError">;

/** The refusals of sessions that do not have the handler. */
const REFUSED = {
  onSubscribe: "clients may not subscribe here: define onSubscribe(client, topic) in the session",
  onPublish: "clients may not publish here: define onPublish(client, topic, message) in the session",
} as const;

/** The session handlers of one client, one at a time and in order. */
export class Handlers<Data> {
  readonly #client: HandledClient<Data>;
  #session: SessionFields<Data>;
  readonly #deps: HandlersDependencies<Data>;
  #backlog: Backlog<Turn> | undefined;
  /** A handler is running, so messages wait in the backlog. */
  #busy = false;
  #connected = false;
  #silenced = false;
  #paused = false;
  #end: LastWords | undefined;

  constructor(client: HandledClient<Data>, session: SessionFields<Data>, deps: HandlersDependencies<Data>) {
    this.#client = client;
    this.#session = session;
    this.#deps = deps;
  }

  /** Runs `onConnect` once `ready` settled, then handles the messages that came meanwhile. */
  start(ready: Promise<unknown> | undefined): void {
    this.#busy = true;
    this.#await("onConnect", ready ? ready.then(() => this.#connect()) : this.#connect());
  }

  /** Handles a message, or keeps it until its turn. */
  message(data: string | Uint8Array): void {
    if (!this.#busy) {
      this.#handle(data);
      return;
    }
    this.#wait(data);
  }

  /** Runs something in its turn among the messages. */
  inTurn(turn: Turn): void {
    if (this.#busy) this.#wait(turn);
    else this.#run(turn);
  }

  #wait(next: string | Uint8Array | Turn): void {
    const backlog = (this.#backlog ??= new Backlog<Turn>());
    backlog.push(next);
    const { maxBacklogMessages, maxBacklogBytes } = this.#deps.limits;
    if (backlog.length < maxBacklogMessages && backlog.bytes < maxBacklogBytes) return;
    const socket = this.#client.connection?.socket;
    if (socket?.pause) {
      this.#paused = true;
      socket.pause();
    } else if (socket) this.#client.close(CloseCode.PolicyViolation, "sends faster than it is served");
  }

  /** The connection is gone, and the client may come back. */
  away(): void {
    this.inTurn({ name: "onAway", bytes: 0, run: () => this.#session.onAway?.(this.#client) });
  }

  /** The client came back: from its turn on the handlers are those of the new session. */
  resumed(session: SessionFields<Data>): void {
    const run = (): unknown => {
      this.#session = session;
      return session.onResume?.(this.#client);
    };
    this.inTurn({ name: "onResume", bytes: 0, run });
  }

  /** The client came from another node: there its `onConnect` ran, here its `onResume` does. */
  arrived(): void {
    this.#connected = true;
    this.inTurn({ name: "onResume", bytes: 0, run: () => this.#session.onResume?.(this.#client) });
  }

  /** Answers a request of the client. Rejects with the error to send: one without a code was reported. */
  async request(message: string | Uint8Array): Promise<Frame> {
    const session = this.#session;
    if (!session.onRequest) throw new MeshError("unimplemented", "this server answers no requests");
    const { counters } = this.#deps;
    const startedMs = performance.now();
    try {
      return checkSize(
        Frame.of((await this.#traced("onRequest", () => session.onRequest?.(this.#client, message))) ?? ""),
        this.#deps.limits,
      );
    } catch (error) {
      if (!(error instanceof MeshError)) {
        bump(counters.handlerErrors, "onRequest");
        this.#report("onRequest", asError("onRequest", error));
      }
      throw error;
    } finally {
      counters.requestSeconds.add((performance.now() - startedMs) / 1_000);
    }
  }

  /** Asks the application about a new token; resolves with when the session ends now. Rejects with the error to send. */
  async token(token: string): Promise<number> {
    const session = this.#session;
    if (!session.onToken) throw new MeshError("unimplemented", "this server takes no new tokens");
    try {
      const expiresAt: unknown = await session.onToken(this.#client, token);
      if (expiresAt !== undefined) checkExpiry("the time that onToken returned", expiresAt);
      if (expiresAt !== undefined && expiresAt > Date.now()) return expiresAt;
    } catch (error) {
      if (!(error instanceof MeshError)) this.#report("onToken", asError("onToken", error));
      throw error;
    }
    throw new MeshError("unauthenticated", "the new token was refused");
  }

  /**
   * Asks the session whether the client may use a topic; undefined if it may at once. Throws, or rejects with, the error to send:
   * one without a code was reported.
   */
  allow(
    name: "onSubscribe" | "onPublish",
    topic: string,
    message: string | Uint8Array = "",
  ): Promise<void> | undefined {
    const session = this.#session;
    if (this.#silenced) throw new MeshError("canceled", "the client left before its turn came");
    if (!session[name]) throw new MeshError("permission_denied", `${REFUSED[name]}, and return true`);
    try {
      const allowed: unknown = session[name](this.#client, topic, message);
      if (!isThenable(allowed)) return checkAllowed(name, allowed);
      return Promise.resolve(allowed)
        .then((late) => checkAllowed(name, late))
        .catch((error: unknown) => this.#refused(name, error));
    } catch (error) {
      return this.#refused(name, error);
    }
  }

  #refused(name: HandlerName, error: unknown): never {
    if (!(error instanceof MeshError)) this.#report(name, asError(name, error));
    throw error;
  }

  /** Whether reading waits for the handlers. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Forgets the messages that wait. */
  silence(): void {
    this.#silenced = true;
  }

  /** The client is gone: `onDisconnect` follows when its turn comes. */
  ended(end: End, undelivered: readonly (string | Uint8Array)[]): void {
    this.#end = { ...end, undelivered };
    if (!this.#busy) this.#disconnect(this.#end);
  }

  /** Tells `onError` that the connection failed. */
  error(error: Error): void {
    this.#report("connection", error);
  }

  /** Calls `onError`, or logs the error if the session has none. Returns what `onError` decided about the client. */
  #report(what: string, error: Error): unknown {
    this.#deps.recorder.record("handler", this.#client, `${what} failed (${error.name}): the log of the node has more`);
    if (!this.#session.onError) {
      this.#log(what, error);
      return undefined;
    }
    try {
      const result = this.#session.onError(this.#client, error);
      if (isThenable(result)) Promise.resolve(result).catch((late: unknown) => this.#log("onError", late));
      return result;
    } catch (thrown) {
      this.#log("onError", thrown);
      return undefined;
    }
  }

  #log(what: string, error: unknown): void {
    const { id: client } = this.#client;
    const fields = about("handler_failed", { client, handler: what });
    this.#deps.report(`${what} of client ${JSON.stringify(client)} failed`, error, fields);
  }

  #connect(): unknown {
    // A client that is gone before `onConnect` is never shown to the application.
    this.#connected = this.#end === undefined;
    if (!this.#connected) return undefined;
    this.#deps.connected(this.#client);
    return this.#call("onConnect", () => this.#session.onConnect?.(this.#client));
  }

  #handle(data: string | Uint8Array): void {
    if (this.#client.tap !== undefined) this.#client.tap.received(data);
    const { counters } = this.#deps;
    const startedMs = counters.nowMs;
    let result: unknown;
    try {
      const { current } = this.#deps.traces;
      if (current === undefined) result = this.#session.onEvent?.(this.#client, data);
      else result = this.#traced("onEvent", () => this.#session.onEvent?.(this.#client, data));
    } catch (error) {
      this.#failed("onEvent", error);
    }
    this.#client.v1?.handled(data.length);
    const sampled = ++counters.handled % SAMPLE === 0;
    if (isThenable(result)) this.#hold("onEvent", result, startedMs);
    else if (sampled) counters.eventSeconds.add((performance.now() - startedMs) / 1_000, SAMPLE);
  }

  #run(turn: Turn): void {
    const result = this.#call(turn.name, () => turn.run());
    if (isThenable(result)) this.#hold(turn.name, result);
  }

  /** The next message waits until a handler settled. */
  #hold(name: HandlerName, result: PromiseLike<unknown>, startedMs?: number): void {
    this.#busy = true;
    this.#await(name, result, startedMs);
  }

  #disconnect(end: LastWords): void {
    // A call of the client that waits for another one is not asked about any more.
    this.#silenced = true;
    if (!this.#connected) return;
    this.#deps.disconnected(this.#client, end);
    if (!this.#session.onDisconnect) return;
    this.#busy = true;
    const { code, reason, undelivered } = end;
    const result = this.#call(
      "onDisconnect",
      () => this.#session.onDisconnect?.(this.#client, code, reason, undelivered),
    );
    if (isThenable(result)) Promise.resolve(result).catch((error: unknown) => this.#failed("onDisconnect", error));
  }

  #traced<Result>(name: HandlerName, handler: () => Result): Result {
    const { current } = this.#deps.traces;
    return current === undefined ? handler() : current.handler(name, this.#client.id, handler);
  }

  /** Calls a handler, and handles the error that it throws. */
  #call(name: HandlerName, handler: () => unknown): unknown {
    try {
      // Among the turns of these two are some that run no handler.
      return name === "onEvent" || name === "onRequest" ? handler() : this.#traced(name, handler);
    } catch (error) {
      this.#failed(name, error);
      return undefined;
    }
  }

  #await(name: HandlerName, result: unknown, startedMs?: number): void {
    if (!isThenable(result)) {
      this.#next();
      return;
    }
    Promise.resolve(result).then(
      () => this.#settled(startedMs),
      (error: unknown) => {
        this.#failed(name, error);
        this.#settled(startedMs);
      },
    );
  }

  #settled(startedMs: number | undefined): void {
    const { counters } = this.#deps;
    counters.nowMs = performance.now();
    if (startedMs !== undefined) counters.eventSeconds.add((counters.nowMs - startedMs) / 1_000);
    this.#next();
  }

  /** A handler settled: handles the messages that waited, until a handler returns a promise again. */
  #next(): void {
    this.#busy = false;
    const backlog = this.#backlog;
    while (backlog && backlog.length > 0 && !this.#busy && !this.#silenced) {
      const next = backlog.shift();
      if (typeof next === "object" && "run" in next) this.#run(next);
      else this.#handle(next);
    }
    if (this.#busy) return;
    this.#backlog = undefined;
    if (this.#end) this.#disconnect(this.#end);
    else if (backlog) this.#resume();
  }

  #resume(): void {
    this.#paused = false;
    this.#client.connection?.socket.resume?.();
  }

  /** An error of sending is only reported; any other error closes the client, unless it may stay. */
  #failed(name: HandlerName, cause: unknown): void {
    const error = asError(name, cause);
    bump(this.#deps.counters.handlerErrors, name);
    const decided = this.#report(name, error);
    const stays = error instanceof MeshError || this.#deps.staysAfterError;
    if (decided === "close" || (decided !== "report" && !stays)) {
      this.#client.close(CloseCode.InternalError, "internal error");
    }
  }
}

/** The client that {@link Handlers} show to the application, and what they need of it. */
export interface HandledClient<Data> extends Client<Data> {
  readonly connection: { readonly socket: Socket } | undefined;
  /** Of a client that speaks `meshsocket.v1`: counts a message of so many bytes that was handled. */
  readonly v1: { handled(bytes: number): void } | undefined;
  /** Undefined while nobody taps it. */
  readonly tap: Tapped | undefined;
}

function checkAllowed(name: HandlerName, allowed: unknown): undefined {
  if (allowed === false) throw new MeshError("permission_denied", `${name} refused the topic`);
  if (allowed !== true) throw new Error(`${name} must return true or false, not ${kindOf(allowed)}`);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

function asError(name: HandlerName, cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(`${name} threw a value that is not an Error`, { cause });
}
