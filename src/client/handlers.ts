import { Backlog } from "./backlog.ts";
import type { Client } from "./client.ts";
import { CloseCode } from "../base/close-code.ts";
import { MeshError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { Session } from "./session.ts";
import type { Socket } from "./socket.ts";

/** How a connection ended. */
export interface End {
  readonly code: number;
  readonly reason: string;
}

/** Dependencies of {@link Handlers}. */
export interface HandlersHost<Data> {
  readonly limits: Readonly<Limits>;
  /** Whether a client stays after one of its handlers failed. */
  readonly staysAfterError: boolean;
  /** The client is connected: `onConnect` follows. */
  connected(client: Client<Data>): void;
  /** The connection ended: `onDisconnect` follows. */
  disconnected(client: Client<Data>, end: End): void;
  /** Logs a failure that no caller sees. */
  report(text: string, error: unknown): void;
}

/** A handler of a session, as errors name it. */
type HandlerName = "onConnect" | "onEvent" | "onDisconnect";

/** The session handlers of one client, one at a time and in order. */
export class Handlers<Data> {
  readonly #client: Client<Data>;
  readonly #session: Session<Data>;
  readonly #host: HandlersHost<Data>;
  readonly #socket: Pick<Socket, "pause" | "resume">;
  #backlog: Backlog | undefined;
  /** A handler is running, so messages wait in the backlog. */
  #busy = false;
  #connected = false;
  #silenced = false;
  #paused = false;
  #end: End | undefined;

  constructor(
    client: Client<Data>,
    session: Session<Data>,
    host: HandlersHost<Data>,
    socket: Pick<Socket, "pause" | "resume">,
  ) {
    this.#client = client;
    this.#session = session;
    this.#host = host;
    this.#socket = socket;
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
    const backlog = (this.#backlog ??= new Backlog());
    backlog.push(data);
    const { maxBacklogMessages, maxBacklogBytes } = this.#host.limits;
    if (backlog.length < maxBacklogMessages && backlog.bytes < maxBacklogBytes) return;
    if (this.#socket.pause) {
      this.#paused = true;
      this.#socket.pause();
    } else this.#client.close(CloseCode.PolicyViolation, "sends faster than it is served");
  }

  /** Whether reading waits for the handlers. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Forgets the messages that wait. */
  silence(): void {
    this.#silenced = true;
  }

  /** The connection is gone: `onDisconnect` follows when its turn comes. */
  ended(end: End): void {
    this.#end = end;
    if (!this.#busy) this.#disconnect(end);
  }

  /** Tells `onError` that the connection failed. */
  error(error: Error): void {
    this.#report("connection", error);
  }

  /** Calls `onError`, or logs the error if the session has none. Returns what `onError` decided about the client. */
  #report(what: string, error: Error): unknown {
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
    this.#host.report(`${what} of client ${JSON.stringify(this.#client.id)} failed`, error);
  }

  #connect(): unknown {
    // A client that is gone before `onConnect` is never shown to the application.
    this.#connected = this.#end === undefined;
    if (!this.#connected) return undefined;
    this.#host.connected(this.#client);
    return this.#call("onConnect", () => this.#session.onConnect?.(this.#client));
  }

  #handle(data: string | Uint8Array): void {
    let result: unknown;
    try {
      result = this.#session.onEvent?.(this.#client, data);
    } catch (error) {
      this.#failed("onEvent", error);
    }
    if (!isThenable(result)) return;
    this.#busy = true;
    this.#await("onEvent", result);
  }

  #disconnect(end: End): void {
    if (!this.#connected) return;
    this.#host.disconnected(this.#client, end);
    if (!this.#session.onDisconnect) return;
    this.#busy = true;
    const result = this.#call("onDisconnect", () => this.#session.onDisconnect?.(this.#client, end.code, end.reason));
    if (isThenable(result)) Promise.resolve(result).catch((error: unknown) => this.#failed("onDisconnect", error));
  }

  /** Calls a handler, and handles the error that it throws. */
  #call(name: HandlerName, handler: () => unknown): unknown {
    try {
      return handler();
    } catch (error) {
      this.#failed(name, error);
      return undefined;
    }
  }

  #await(name: HandlerName, result: unknown): void {
    if (!isThenable(result)) {
      this.#next();
      return;
    }
    Promise.resolve(result).then(
      () => this.#next(),
      (error: unknown) => {
        this.#failed(name, error);
        this.#next();
      },
    );
  }

  /** A handler settled: handles the messages that waited, until a handler returns a promise again. */
  #next(): void {
    this.#busy = false;
    const backlog = this.#backlog;
    while (backlog && backlog.length > 0 && !this.#busy && !this.#silenced) this.#handle(backlog.shift());
    if (this.#busy) return;
    this.#backlog = undefined;
    if (this.#end) this.#disconnect(this.#end);
    else if (backlog) this.#resume();
  }

  #resume(): void {
    this.#paused = false;
    this.#socket.resume?.();
  }

  /** An error of sending is only reported; any other error closes the client, unless it may stay. */
  #failed(name: HandlerName, cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(`${name} threw a value that is not an Error`, { cause });
    const decided = this.#report(name, error);
    const stays = error instanceof MeshError || this.#host.staysAfterError;
    if (decided === "close" || (decided !== "report" && !stays)) {
      this.#client.close(CloseCode.InternalError, "internal error");
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
