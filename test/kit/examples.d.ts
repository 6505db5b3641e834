import type { Client, DistClient, DistHub, SessionFactory } from "../../src/index.ts";
import type { RedisStorage } from "../../src/storage/redis/redis.ts";

/** What the examples in docstrings take as given. */
declare global {
  const hub: DistHub;
  const client: Client;
  const storage: RedisStorage;
  const session: SessionFactory;
  const cluster: DistClient;
  function userOf(request: Request): Promise<{ name: string } | undefined>;
  const request: Request;
  const bytes: Uint8Array;
  const secret: string;
  const url: string;
  const token: string;
}
