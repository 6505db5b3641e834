import { Buffer } from "node:buffer";
import { createClient, ErrorReply, MultiErrorReply, RESP_TYPES } from "redis";

/** Which Redis server: a URL, or a host and port. Default: port 6379 of this machine. */
export interface RedisTcpOptions {
  redisUrl?: string;
  socket?: { host: string; port: number };
}

/** One reply as RESP2 has it: strings are bytes, but for the short status strings. */
export type Reply = Uint8Array | string | number | null | Error | Reply[];

/** One TCP connection to a Redis server, shared by all callers. */
export interface RedisTcp {
  /** Sends commands in order, without waiting between them; an error reply stands in its command's place. */
  pipeline(commands: string[][]): Promise<Reply[]>;
  /** The same inside MULTI and EXEC. Rejects if the transaction as a whole was refused. */
  multi(commands: string[][]): Promise<Reply[]>;
  close(): Promise<void>;
}

/**
 * Connects; rejects if the server cannot be reached at first. A connection lost later is made again,
 * and commands meanwhile reject at once: nothing is queued and nothing is sent twice.
 */
export async function connectRedis(options: RedisTcpOptions): Promise<RedisTcp> {
  let connected = false;
  const connection = createClient({
    ...(options.redisUrl !== undefined && { url: options.redisUrl }),
    RESP: 2,
    disableOfflineQueue: true,
    socket: {
      ...options.socket,
      reconnectStrategy: (retries, cause) => (connected ? Math.min(1_000, 20 * 2 ** retries) : cause),
    },
  });
  connection.on("error", () => {});
  await connection.connect();
  connected = true;
  const client = connection.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  return {
    pipeline: (commands) => Promise.all(commands.map((args) => client.sendCommand<Reply>(args).catch(errorReply))),
    async multi(commands) {
      const multi = client.multi();
      for (const args of commands) multi.addCommand(args);
      try {
        return (await multi.exec()) as unknown as Reply[];
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

function errorReply(error: unknown): Error {
  if (error instanceof ErrorReply) return error;
  throw error;
}
