/**
 * One way to a Redis: over HTTP (`http.ts`) or over TCP (`tcp.ts`).
 *
 * Both run the same scripts, and every implementation MUST keep the following:
 *
 * - A command is sent at most once. A command whose answer is lost rejects; the caller finds out what became of it.
 * - A call settles within the storage's timeout, whatever state the connection is in. Nothing is queued for later.
 * - An error of Redis rejects with a RedisReplyError, any other failure with a MeshError (`unavailable`) that names the host.
 * - No error, and no cause of one, holds an id, a value or a password.
 */
export interface RedisWay {
  /** Where the Redis is, as error texts name it: `host:port`, without user and password. */
  readonly host: string;
  /** Runs a script by its text. */
  eval(script: string, keys: string[], args: string[]): Promise<unknown>;
  /** Runs a script by its SHA-1, if the server knows it; rejects with the word NOSCRIPT otherwise. */
  evalsha(sha: string, keys: string[], args: string[]): Promise<unknown>;
  /** Closes what this way holds open. */
  close(): void;
}

/** Milliseconds for the calls of a way, and where it leads. */
export interface RedisWayOptions {
  readonly host: string;
  readonly timeoutMs: number;
  /** Whether the connection uses TLS. */
  readonly secure?: boolean;
}
