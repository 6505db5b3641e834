import { RedisStorage, type RedisStorageOptions } from "../../src/storage/redis/redis.ts";
import type { RedisEndpoint } from "../../cli/redis-endpoint.ts";
import { commandName, startRedis, type TestRedis } from "./redis.ts";

/** Stands between the client and the endpoint: may hold up, drop, repeat or replace the answer of a command. */
export type Fault = (name: string, forward: () => Promise<Response>) => Promise<Response>;

/** A {@link TestRedis} whose answers a test can spoil. */
export interface FaultyRedis extends TestRedis {
  /** Undefined: every command is answered as it should be. */
  fault: Fault | undefined;
  /** The prefix of the storages made last. */
  readonly prefix: string;
  /** Clears the fault and the counts, and gives two storages over one new prefix: with a short timeout, and with a long one. */
  makeStorages(options?: RedisStorageOptions): [RedisStorage, RedisStorage];
}

/** The short timeout of the first storage, in ms. */
const TIMEOUT_MS = 150;

export async function startFaultyRedis(): Promise<FaultyRedis> {
  let prefixes = 0;
  async function through(request: Request, endpoint: RedisEndpoint): Promise<Response> {
    const body = await request.text();
    const forward = (): Promise<Response> =>
      endpoint.fetch(new Request(request.url, { method: request.method, headers: request.headers, body }));
    return faulty.fault === undefined ? forward() : faulty.fault(commandName(JSON.parse(body) as string[]), forward);
  }
  const redis = await startRedis({ through });
  const faulty: FaultyRedis = {
    ...redis,
    fault: undefined,
    get prefix() {
      return `faulty-${prefixes}`;
    },
    makeStorages(options = {}) {
      faulty.fault = undefined;
      redis.commands.length = 0;
      prefixes++;
      return [
        new RedisStorage(redis.target, faulty.prefix, { timeoutMs: TIMEOUT_MS, ...options }),
        new RedisStorage(redis.target, faulty.prefix, { timeoutMs: 5_000 }),
      ];
    },
  };
  return faulty;
}

/** Lets a command take effect and destroys its connection instead of answering. */
export function dropAnswersOf(name: string): Fault {
  return async (command, forward) => {
    const response = await forward();
    if (command === name) throw new Error("the answer is lost");
    return response;
  };
}
