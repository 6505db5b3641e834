import { startRedisServer } from "./redis-server.ts";
import { MEMORY_SCHEME } from "./start-config.ts";
import { serveStorage } from "./storage-server.ts";

/** The storage that the nodes of the demo share. */
export interface DemoStorage {
  /** Its name, for people. */
  readonly description: string;
  /** For `MESHSOCKET_STORAGE_URL`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A redis-server if one is installed, else a memory in this process. */
export async function startDemoStorage(token: string): Promise<DemoStorage> {
  const redis = await startRedisServer();
  if (!redis) {
    const server = await serveStorage({ token });
    const description = "the memory of this process, as no redis-server is installed";
    return { description, url: MEMORY_SCHEME + server.url, stop: () => server.close() };
  }
  return {
    description: `redis-server ${redis.version} on port ${redis.port} (pid ${redis.pid})`,
    url: `redis://127.0.0.1:${redis.port}`,
    stop: () => redis.stop(),
  };
}
