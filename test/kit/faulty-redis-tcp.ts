import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { RedisStorage, type RedisStorageOptions } from "../../src/storage/redis/redis.ts";
import type { Fault } from "./faulty-redis.ts";
import { commandName, startRedisServer, type TestRedisServer } from "./redis.ts";
import { RawRedis, RespReader, wordsOf } from "./resp.ts";

/** A redis-server with a TCP proxy in front that understands its protocol, so that a test can spoil answers. */
export interface FaultyRedisTcp extends TestRedisServer {
  /** Of the proxy. */
  readonly url: string;
  /** Undefined: every command is answered as it should be. A fault's Response holds the raw bytes of an answer. */
  fault: Fault | undefined;
  /** Every command that came through the proxy, by name. */
  readonly seen: string[];
  /** The prefix of the storages made last. */
  readonly prefix: string;
  /** Clears the fault and what was seen, and gives two storages over one new prefix: with a short timeout, and with a long one. */
  makeStorages(options?: RedisStorageOptions): [RedisStorage, RedisStorage];
  stop(): Promise<void>;
}

/** Longer than over HTTP: after a cut the connection is opened again within it, also on a busy machine. */
const TIMEOUT_MS = 500;

export async function startFaultyRedisTcp(): Promise<FaultyRedisTcp> {
  const redis = await startRedisServer();
  const behind = new RawRedis(redis.port);
  const seen: string[] = [];
  const storages: RedisStorage[] = [];
  let prefixes = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    carry(socket, async (command) => {
      const name = commandName(wordsOf(command));
      seen.push(name);
      const forward = async (): Promise<Response> => new Response(await behind.send(command));
      return await (await (faulty.fault === undefined ? forward() : faulty.fault(name, forward))).text();
    });
  });
  const url = `redis://127.0.0.1:${await listen(server)}`;
  const open = (options: RedisStorageOptions): RedisStorage => {
    const storage = new RedisStorage(url, faulty.prefix, options);
    storages.push(storage);
    return storage;
  };
  const faulty: FaultyRedisTcp = {
    ...redis,
    url,
    fault: undefined,
    seen,
    get prefix() {
      return `faulty-${prefixes}`;
    },
    makeStorages(options = {}) {
      faulty.fault = undefined;
      seen.length = 0;
      prefixes++;
      return [open({ timeoutMs: TIMEOUT_MS, ...options }), open({ timeoutMs: 5_000 })];
    },
    async stop() {
      for (const storage of storages) await storage.close();
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      behind.close();
      await redis.stop();
    },
  };
  return faulty;
}

/** Answers each command of a connection, in order; cuts it if an answer fails. */
function carry(socket: Socket, answer: (command: string) => Promise<string>): void {
  const reader = new RespReader();
  let before: Promise<unknown> = Promise.resolve();
  socket.on("error", () => {});
  socket.on("data", (chunk: Uint8Array) => {
    for (const command of reader.push(chunk)) {
      const answering = answer(command);
      answering.catch(() => {});
      before = before.then(() => answering).then((bytes) => socket.write(bytes, "latin1")).catch(() =>
        socket.destroy()
      );
    }
  });
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
