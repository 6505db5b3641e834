import { backoffMs } from "../../base/backoff.ts";
import { errorCode, type MeshError } from "../../base/error.ts";
import { endsConnection, noTls, RedisUnsentError, tooSlow, unreachable } from "./errors.ts";
import type { RedisWay, RedisWayOptions } from "./way.ts";

/** One connection, or the connections of a Redis Cluster, of which each command goes over one. */
export interface RedisConnection {
  /** Whether commands can be sent now. A connection that was lost is not made again: {@link RedisTcp} opens another. */
  readonly usable: boolean;
  /** Sends one command, in order with the others. Rejects with a RedisReplyError for an error of Redis. `key` is the first key. */
  send(key: string, command: string[]): Promise<unknown>;
  /** Closes it at once: whatever waits for an answer rejects. */
  destroy(): void;
}

/** Opens a connection, in at most so many milliseconds. */
export type OpenRedis = (timeoutMs: number) => Promise<RedisConnection>;

/** Loads the library that opens connections. Rejects (`failed_precondition`) with the command that installs it. */
export type LoadRedis = () => Promise<OpenRedis>;

/**
 * The way over TCP: one connection, opened by the first command and again by the first command after it was lost.
 *
 * All commands share it and leave together if one tick made them. Nothing runs in the background: no pings, no timer to
 * reconnect, and an idle connection does not keep the process alive. After a failed attempt to connect, commands
 * reject at once for a moment (at most a second, longer with each failure) and then one of them tries again.
 */
export class RedisTcp implements RedisWay {
  readonly host: string;
  readonly #timeoutMs: number;
  readonly #secure: boolean;
  readonly #load: LoadRedis;
  #connection: RedisConnection | undefined;
  #opening: Promise<RedisConnection> | undefined;
  #failure: MeshError | undefined;
  #failures = 0;
  #retryAtMs = 0;
  /** When the last answer of any kind came. */
  #heardAtMs = 0;
  #closed = false;

  constructor(load: LoadRedis, { host, timeoutMs, secure = false }: RedisWayOptions) {
    this.#load = load;
    this.#secure = secure;
    this.host = host;
    this.#timeoutMs = timeoutMs;
  }

  eval(script: string, keys: string[], args: string[]): Promise<unknown> {
    return this.#send(keys, ["EVAL", script, String(keys.length), ...keys, ...args]);
  }

  evalsha(sha: string, keys: string[], args: string[]): Promise<unknown> {
    return this.#send(keys, ["EVALSHA", sha, String(keys.length), ...keys, ...args]);
  }

  close(): void {
    this.#closed = true;
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  /** The timer keeps the process alive as long as somebody waits; the socket does not. */
  async #send([key = ""]: string[], command: string[]): Promise<unknown> {
    const open = await this.#load();
    const late = Promise.withResolvers<never>();
    let explain = this.#secure ? noTls : tooSlow;
    const timer = setTimeout(() => late.reject(explain(this.host, this.#timeoutMs)), this.#timeoutMs);
    try {
      const connection = await Promise.race([this.#connected(open), late.promise]);
      explain = tooSlow;
      return await this.#answer(connection, connection.send(key, command), late.promise);
    } finally {
      clearTimeout(timer);
    }
  }

  async #answer(connection: RedisConnection, answer: Promise<unknown>, late: Promise<never>): Promise<unknown> {
    const sentAtMs = performance.now();
    answer.then(() => this.#heard(), () => this.#heard()).catch(() => {});
    try {
      return await Promise.race([answer, late]);
    } catch (error) {
      // A connection over which nothing came since is taken for dead. A slow server goes on answering others.
      const silent = this.#heardAtMs < sentAtMs;
      if (silent || endsConnection(error) || !connection.usable) this.#drop(connection);
      throw unreachable(this.host, error);
    }
  }

  #heard(): void {
    this.#heardAtMs = performance.now();
  }

  #drop(connection: RedisConnection): void {
    if (this.#connection === connection) this.#connection = undefined;
    connection.destroy();
  }

  #connected(open: OpenRedis): Promise<RedisConnection> {
    if (this.#connection?.usable) return Promise.resolve(this.#connection);
    if (this.#failure !== undefined && performance.now() < this.#retryAtMs) return Promise.reject(this.#failure);
    return (this.#opening ??= this.#connect(open).finally(() => (this.#opening = undefined)));
  }

  async #connect(open: OpenRedis): Promise<RedisConnection> {
    this.#connection?.destroy();
    this.#connection = undefined;
    try {
      const connection = await open(this.#timeoutMs);
      this.#failure = undefined;
      this.#failures = 0;
      if (this.#closed) connection.destroy();
      else this.#connection = connection;
      return connection;
    } catch (error) {
      this.#failure = errorCode(error) === "failed_precondition"
        ? (error as MeshError)
        : new RedisUnsentError(this.host, error);
      this.#retryAtMs = performance.now() + backoffMs(this.#failures++);
      throw this.#failure;
    }
  }
}
