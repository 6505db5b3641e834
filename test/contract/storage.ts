import { test } from "node:test";
import type { Promised, StoreUnderTest } from "../kit/storage.ts";
import { claims, releases } from "./storage-claims.ts";
import { deaths, leases } from "./storage-lives.ts";
import { names, topics } from "./storage-names.ts";

/** Every promise of src/storage/storage.ts, as tests. `make` gives a store of its own to each. */
export function storageContract(name: string, make: () => StoreUnderTest): void {
  const promise: Promised = (what, body) => {
    test(`${name}: ${what}`, async () => {
      const store = make();
      const storage = store.open("websocket");
      await body(storage, store);
      await storage.close();
    });
  };
  for (const part of [claims, releases, deaths, leases, names, topics]) part(promise);
}
