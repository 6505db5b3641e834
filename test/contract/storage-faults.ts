import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Entry, Storage } from "../../src/storage/storage.ts";
import { CANARY, fails } from "../kit/silent.ts";
import { A, B, C, claim, entryOf, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

/** Stands between a storage and its server: may hold up, drop, repeat or replace the answer of a request. */
export type StorageFault = (name: string, forward: () => Promise<Response>) => Promise<Response>;

/** A real server whose answers a test can spoil. */
export interface FaultyStore {
  /** Undefined: every request is answered as it should be. */
  fault: StorageFault | undefined;
  /** Clears fault and counts, and gives two storages over a new prefix: with a short timeout and the faults, and with a long one. */
  makeStorages(options?: { timeoutMs?: number }): [Storage, Storage];
  /** A storage at an address where nobody answers. */
  makeNowhere(): Storage;
  /** The names of the requests that claim, and that renew. */
  readonly names: { readonly claim: string; readonly renew: string };
  /** How often a request was sent since the storages were made. */
  sent(name: string): number;
  /** What one claim may be sent: the runtime's own fetch may repeat it. */
  readonly sends: number;
  /** A lease that is short, in ms. */
  readonly shortMs: number;
  /** Answers that its server would never give. All hold the canary. */
  readonly nonsense: readonly (() => Response)[];
  /** Whether the answer to a claim says that it took effect. */
  granted(answer: string): boolean;
  /** Everything in the server that names a life. */
  keysOf(life: string): Promise<readonly string[]>;
  stop(): Promise<void>;
}

type Body = (store: FaultyStore) => Promise<void>;

/** What a storage promises when its server, or the way there, fails. `make` starts the server. */
export function storageFaultContract(name: string, make: () => Promise<FaultyStore>): void {
  let store: FaultyStore;
  before(async () => {
    store = await make();
  });
  after(async () => {
    await store.stop();
  });
  for (const [what, body] of [...FAILURES, ...LOSSES]) test(`${name}: ${what}`, () => body(store));
}

/** Lets requests of a name take effect, and loses their answers. */
function losing(lost: string): StorageFault {
  return async (name, forward) => {
    const response = await forward();
    if (name !== lost) return response;
    await response.body?.cancel();
    throw new TypeError("the answer is lost");
  };
}

const FAILURES: readonly (readonly [what: string, body: Body])[] = [
  ["a server that is too slow makes every call reject as unavailable, in time", async (store) => {
    const [storage, other] = store.makeStorages();
    const a = await livingHolder(other, A);
    const gate = Promise.withResolvers<void>();
    store.fault = async (_name, forward) => {
      await gate.promise;
      return await forward();
    };
    const started = performance.now();
    await Promise.all([
      fails(storage.set([CANARY], a)),
      fails(storage.get([CANARY])),
      fails(storage.del([{ id: CANARY, life: a.life, claim: 1n }])),
      fails(storage.renew(a, LONG_MS)),
      fails(storage.subscribe(CANARY, a)),
      fails(Array.fromAsync(storage.all())),
    ]);
    assert.ok(performance.now() - started < 2_000);
    gate.resolve();
  }],
  ["a server that answers nonsense makes calls reject as unavailable, and no error tells of it", async (store) => {
    const [storage, other] = store.makeStorages();
    const a = await livingHolder(other, A);
    await claim(storage, "warm", a);
    for (const answer of store.nonsense) {
      store.fault = async () => answer();
      await fails(storage.get([CANARY]));
      await fails(storage.set([CANARY], a));
    }
  }],
  ["a server that is not there makes calls reject as unavailable, at once", async (store) => {
    const storage = store.makeNowhere();
    await fails(storage.renew(newHolder(A), LONG_MS));
    await fails(storage.set([CANARY], newHolder(A)));
  }],
  ["what an older life of a host left is cleared when a new one starts there", async (store) => {
    const [, storage] = store.makeStorages();
    const old = await livingHolder(storage, A);
    await storage.set(["alice", "bob"], old);
    await storage.subscribe("news", old);
    assert.ok((await store.keysOf(old.life)).length > 0);
    await storage.renew(newHolder(A), LONG_MS);
    await until("the older life to be cleared", async () => (await store.keysOf(old.life)).length === 0);
  }],
  ["after close every call rejects as failed_precondition, and the entries stay", async (store) => {
    const [storage, other] = store.makeStorages();
    const entry = await claim(other, "alice", await livingHolder(other, A));
    await storage.close();
    await assert.rejects(storage.get(["alice"]), withCode("failed_precondition"));
    assert.deepEqual(await other.get(["alice"]), [entryOf(entry)]);
  }],
  ["a caller's signal ends the wait at once, and what the claim was granted is given back", async (store) => {
    const [storage, other] = store.makeStorages({ timeoutMs: 5_000 });
    const a = await livingHolder(other, A);
    const [arrived, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.fault = async (name, forward) => {
      const response = await forward();
      if (name !== store.names.claim) return response;
      arrived.resolve();
      await gate.promise;
      return response;
    };
    const stop = new AbortController();
    const setting = storage.set(["alice"], a, { signal: stop.signal });
    await arrived.promise;
    stop.abort();
    await assert.rejects(setting, withCode("canceled"));
    gate.resolve();
    await until("the claim to be given back", async () => (await other.get(["alice"]))[0] === undefined);
  }],
];

const LOSSES: readonly (readonly [what: string, body: Body])[] = [
  ["a claim whose answer was lost is read back, with the holder that it replaced, and not repeated", async (store) => {
    const [storage, other] = store.makeStorages();
    const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
    const old = await claim(other, "alice", b);
    const warm = await claim(storage, "warm", a);
    const sentBefore = store.sent(store.names.claim);
    store.fault = losing(store.names.claim);
    const [alice, bob] = await storage.set(["alice", "bob"], a);
    const [again] = await storage.set(["alice"], a);
    store.fault = undefined;
    assert.ok(store.sent(store.names.claim) - sentBefore <= 2 * store.sends);
    assert.ok(alice?.claim && bob?.claim && again?.claim);
    assert.ok(warm.claim < alice.claim && alice.claim <= bob.claim && bob.claim < again.claim);
    assert.deepEqual([alice.previous, bob.previous], [entryOf(old), undefined]);
    assert.deepEqual(again.previous, { ...a, claim: alice.claim });
    assert.deepEqual(await other.get(["alice", "bob"]), [{ ...a, claim: again.claim }, { ...a, claim: bob.claim }]);
    assert.deepEqual(await storage.del([{ id: "bob", ...a, claim: bob.claim }]), [true]);
  }],
  [
    "a claim that another node replaced before it was read back is told as granted, with the older number",
    async (store) => {
      const [storage, other] = store.makeStorages();
      const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
      await claim(storage, "warm", a);
      let newer: Entry | undefined;
      store.fault = async (name, forward) => {
        const response = await forward();
        if (name !== store.names.claim) return response;
        store.fault = undefined;
        newer = entryOf(await claim(other, "alice", b));
        throw new TypeError("the answer is lost");
      };
      const [claimed] = await storage.set(["alice"], a);
      assert.ok(claimed?.claim && newer && claimed.claim < newer.claim);
      assert.deepEqual(await other.get(["alice"]), [newer]);
    },
  ],
  ["a claim that the network repeats later takes effect once", async (store) => {
    const [storage, other] = store.makeStorages({ timeoutMs: 5_000 });
    const [a, b, c] = [await livingHolder(other, A), await livingHolder(other, B), await livingHolder(other, C)];
    const old = await claim(other, "alice", c);
    await claim(storage, "warm", a);
    let newer: Entry | undefined;
    store.fault = async (_name, forward) => {
      store.fault = undefined;
      await (await forward()).body?.cancel();
      newer = entryOf(await claim(other, "alice", b));
      return await forward();
    };
    const [claimed] = await storage.set(["alice"], a);
    assert.deepEqual(await other.get(["alice"]), [newer]);
    assert.ok(claimed?.claim && newer && old.claim < claimed.claim && claimed.claim < newer.claim);
  }],
  ["an ifAbsent claim whose answer was lost tells what was granted from what was refused", async (store) => {
    const [storage, other] = store.makeStorages();
    const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
    const held = await claim(other, "alice", b);
    const own = await claim(storage, "own", a);
    store.fault = losing(store.names.claim);
    const [refused, granted, again] = await storage.set(["alice", "bob", "own"], a, { ifAbsent: true });
    store.fault = undefined;
    assert.deepEqual(refused, { claim: undefined, previous: entryOf(held) });
    assert.deepEqual(again?.previous, entryOf(own));
    assert.ok(granted?.claim);
    assert.deepEqual(await other.get(["bob"]), [{ ...a, claim: granted.claim }]);
  }],
  ["a claim held up on its way for longer than its timeout never takes effect", async (store) => {
    const [storage, other] = store.makeStorages();
    const [a, b] = [newHolder(A), await livingHolder(other, B)];
    await storage.renew(a, LONG_MS);
    await claim(storage, "warm", a);
    const gate = Promise.withResolvers<void>();
    const late: Promise<string>[] = [];
    store.fault = (name, forward) => {
      if (name !== store.names.claim) return forward();
      const response = gate.promise.then(forward);
      late.push(response.then((answer) => answer.clone().text()));
      return response;
    };
    await fails(storage.set([CANARY], a));
    gate.resolve();
    const answers = await Promise.all(late);
    assert.ok(answers.length > 0 && !answers.some((answer) => store.granted(answer)), answers.join());
    store.fault = undefined;
    const [claimed] = await other.set([CANARY], b);
    assert.equal(claimed?.previous, undefined);
  }],
  ["a lapse is told even if the answer that told of it first was lost", async (store) => {
    const [storage, other] = store.makeStorages();
    const a = newHolder(A);
    await storage.renew(a, store.shortMs);
    assert.equal((await storage.renew(a, store.shortMs)).lapsed, false);
    await until("the lease to end", async () => (await other.living()).length === 0);
    store.fault = losing(store.names.renew);
    await fails(storage.renew(a, LONG_MS));
    store.fault = undefined;
    assert.equal((await storage.renew(a, LONG_MS)).lapsed, true);
    assert.equal((await storage.renew(a, LONG_MS)).lapsed, false);
  }],
];
