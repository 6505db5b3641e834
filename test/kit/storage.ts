import assert from "node:assert/strict";
import { errorCode } from "../../src/base/error.ts";
import { randomId } from "../../src/base/random-id.ts";
import type { Entry, Holder, IdEntry, Storage } from "../../src/storage/storage.ts";

/** A store of one test, and what the test may do to it. */
export interface StoreUnderTest {
  /** A storage over the store; with another prefix, another cluster in the same store. */
  open(prefix: string): Storage;
  /** A lease that is short, in ms. */
  readonly shortMs: number;
  /** Resolves once a lease of `shortMs` has ended. */
  untilLapsed(storage: Storage, holder: Holder): Promise<void>;
  /** Forgets everything in the store. */
  wipe(): Promise<void>;
}

/** Declares one promise of the contract. */
export type Promised = (what: string, body: (storage: Storage, store: StoreUnderTest) => Promise<void>) => void;

/** A lease that outlives any test, in ms. */
export const LONG_MS = 60_000;

/** Three hosts. */
export const A = "10.0.0.1:8081";
export const B = "10.0.0.2:8081";
export const C = "[2001:db8::1]:8081";

/** A life without a lease. */
export function newHolder(host: string = A): Holder {
  return { host, life: randomId() };
}

/** A life with a lease. */
export async function livingHolder(storage: Storage, host: string, ttlMs: number = LONG_MS): Promise<Holder> {
  const holder = newHolder(host);
  await storage.renew(holder, ttlMs);
  return holder;
}

/** Claims an id and says what must stand there now. */
export async function claim(storage: Storage, id: string, holder: Holder): Promise<IdEntry> {
  const [claimed] = await storage.set([id], holder);
  assert.ok(claimed?.claim !== undefined);
  return { id, ...holder, claim: claimed.claim };
}

export function entryOf({ host, life, claim: number }: Entry): Entry {
  return { host, life, claim: number };
}

/** Everything in a storage, by id. */
export async function listed(storage: Storage): Promise<IdEntry[]> {
  const found = await Array.fromAsync(storage.all());
  return found.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Holders as texts in a fixed order, for comparing. */
export function sorted(holders: readonly Holder[]): string[] {
  return holders.map(({ host, life }) => `${host} ${life}`).toSorted();
}

/** For assert.rejects: an error with this code. */
export function withCode(code: string): (error: unknown) => boolean {
  return (error) => errorCode(error) === code;
}
