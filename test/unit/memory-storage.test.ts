import { MemoryStorage } from "../../src/storage/memory.ts";
import { storageContract } from "../contract/storage.ts";
import { storageHistories } from "../contract/storage-histories.ts";
import type { StoreUnderTest } from "../kit/storage.ts";

function makeStore(): StoreUnderTest {
  let now = 1_000;
  const storages = new Map<string, MemoryStorage>();
  return {
    shortMs: 100,
    open(prefix) {
      const storage = storages.get(prefix) ?? new MemoryStorage({ now: () => now });
      storages.set(prefix, storage);
      return storage;
    },
    async untilLapsed() {
      now += 100;
    },
    async wipe() {
      for (const storage of storages.values()) storage.wipe();
    },
  };
}

storageContract("memory", makeStore);
storageHistories("memory", makeStore, { runs: 300 });
