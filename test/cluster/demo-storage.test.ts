import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { RemoteStorage } from "../../tools/remote-storage.ts";
import { serveStorage, type StorageServer } from "../../tools/storage-server.ts";
import { storageContract } from "../contract/storage.ts";
import { storageHistories } from "../contract/storage-histories.ts";
import { A, newHolder, type StoreUnderTest, withCode } from "../kit/storage.ts";

const TOKEN = "test-token";

let server: StorageServer;
let now = 1_000;
let stores = 0;
const storages = new Map<string, MemoryStorage>();

before(async () => {
  server = await serveStorage({ token: TOKEN, open: memoryOf });
});

after(async () => {
  await server.close();
});

function memoryOf(prefix: string): MemoryStorage {
  const storage = new MemoryStorage({ now: () => now });
  storages.set(prefix, storage);
  return storage;
}

function makeStore(): StoreUnderTest {
  const store = `store-${stores++}-`;
  return {
    shortMs: 100,
    open: (prefix) => new RemoteStorage({ url: server.url, token: TOKEN, timeoutMs: 5_000 }, store + prefix),
    async untilLapsed() {
      now += 100;
    },
    async wipe() {
      for (const [prefix, storage] of storages) if (prefix.startsWith(store)) storage.wipe();
    },
  };
}

storageContract("remote memory", makeStore);
storageHistories("remote memory", makeStore, { runs: 20 });

test("remote memory: a wrong token is refused", async () => {
  const storage = new RemoteStorage({ url: server.url, token: "wrong" });
  await assert.rejects(storage.living(), withCode("unauthenticated"));
});

test("remote memory: a server that is gone makes every call unavailable", async () => {
  const gone = await serveStorage({ token: TOKEN });
  const storage = new RemoteStorage({ url: gone.url, token: TOKEN });
  await storage.renew(newHolder(A), 1_000);
  await gone.close();
  await assert.rejects(storage.living(), withCode("unavailable"));
  await assert.rejects(Array.fromAsync(storage.all()), withCode("unavailable"));
});
