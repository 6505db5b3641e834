import { Buffer } from "node:buffer";
import { createClient, ErrorReply, MultiErrorReply, RESP_TYPES } from "redis";

/** Which Redis server: a URL, or a host and port. Default: port 6379 of this machine. */
export interface RedisTcpOptions {
  redisUrl?: string;
  socket?: { host: string; port: number };
  /** Milliseconds that Redis may take to answer. Over it: rejects, and the connection is made again. Default 5,000. */
  timeoutMs?: number;
}

/** One reply as RESP2 has it: strings are bytes, except for the short status strings. */
export type Reply = Uint8Array | string | number | null | Error | Reply[];

/** One TCP connection to a Redis server, shared by all callers. */
export interface RedisPipeline {
  /** Sends commands in order, without waiting between them. An error reply takes its command's place. */
  pipeline(commands: string[][]): Promise<Reply[]>;
  /** The same inside MULTI and EXEC. Rejects if the transaction as a whole was refused. */
  multi(commands: string[][]): Promise<Reply[]>;
  close(): Promise<void>;
}

type Connection = ReturnType<typeof connectionTo>;

/**
 * Connects; rejects if the server cannot be reached at first. A connection that is lost later is made again.
 * Meanwhile commands reject at once: nothing is queued and nothing is sent twice.
 */
export async function connectRedis(options: RedisTcpOptions): Promise<RedisPipeline> {
  const { timeoutMs = 5_000 } = options;
  const connection = connectionTo(options);
  await connection.connect();
  const client = connection.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  const settled = <T>(answer: Promise<T>): Promise<T> => inTime(connection, answer, timeoutMs);
  return {
    pipeline: (commands) =>
      settled(Promise.all(commands.map((args) => client.sendCommand<Reply>(args).catch(errorReply)))),
    async multi(commands) {
      const multi = client.multi();
      for (const args of commands) multi.addCommand(args);
      try {
        return (await settled(multi.exec())) as unknown as Reply[];
      } catch (error) {
        if (error instanceof MultiErrorReply) return error.replies;
        throw error;
      }
    },
    async close() {
      connection.destroy();
    },
  };
}

function connectionTo({ redisUrl, socket }: RedisTcpOptions) {
  let connected = false;
  const connection = createClient({
    ...(redisUrl !== undefined && { url: redisUrl }),
    RESP: 2,
    disableOfflineQueue: true,
    socket: {
      ...socket,
      reconnectStrategy: (retries, cause) => (connected ? Math.min(1_000, 20 * 2 ** retries) : cause),
    },
  });
  connection.on("ready", () => (connected = true));
  connection.on("error", () => {});
  return connection;
}

/** A connection that gave no answer in time is made again, or its queue would grow with every command. */
async function inTime<T>(connection: Connection, answer: Promise<T>, timeoutMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`Redis did not answer within ${timeoutMs} ms`));
    if (!connection.isReady) return;
    connection.destroy();
    connection.connect().catch(() => {});
  }, timeoutMs);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function errorReply(error: unknown): Error {
  if (error instanceof ErrorReply) return error;
  throw error;
}
