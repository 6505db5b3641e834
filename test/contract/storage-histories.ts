import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Entry, Holder, IdEntry, Storage } from "../../src/storage/storage.ts";
import { newHolder, type StoreUnderTest } from "../kit/storage.ts";

const IDS = ["alice", "bob"];
const HOSTS = ["10.0.0.1:8081", "10.0.0.2:8081", "10.0.0.3:8081"];

type Step =
  & { readonly node: number; readonly id: string }
  & (
    | { readonly does: "claim" | "claim if absent" }
    /** Gives up its newest claim at once, or only when some later step lets the release through. */
    | { readonly does: "release" | "release late" | "let a late release through" }
    /** Starts again on the same host, as a new life. */
    | { readonly does: "restart" }
  );

const step: fc.Arbitrary<Step> = fc.record({
  node: fc.nat({ max: HOSTS.length - 1 }),
  id: fc.constantFrom(...IDS),
  does: fc.constantFrom(
    "claim" as const,
    "claim" as const,
    "claim if absent" as const,
    "release" as const,
    "release late" as const,
    "let a late release through" as const,
    "restart" as const,
  ),
});

/** What must hold of any history: who claimed last and has not given up that very claim is the holder. */
class History {
  readonly #storage: Storage;
  readonly #nodes: Holder[] = HOSTS.map((host) => newHolder(host));
  readonly #held = new Map<string, IdEntry>();
  readonly #newest = new Map<string, IdEntry>();
  readonly #late: IdEntry[] = [];

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const node of this.#nodes) await this.#storage.renew(node, 60_000);
    for (const one of steps) {
      await this.#take(one);
      assert.deepEqual(await this.#storage.get(IDS), IDS.map((id) => publicEntry(this.#held.get(id))));
    }
  }

  async #take({ node, id, does }: Step): Promise<void> {
    const holder = this.#nodes[node] ?? newHolder();
    const newest = this.#newest.get(holder.life + id);
    if (does === "claim" || does === "claim if absent") await this.#claim(id, holder, does === "claim if absent");
    else if (does === "release") await this.#release(newest);
    else if (does === "release late" && newest) this.#late.push(newest);
    else if (does === "let a late release through") await this.#release(this.#late.shift());
    else if (does === "restart") await this.#restart(node, holder);
  }

  async #claim(id: string, holder: Holder, ifAbsent: boolean): Promise<void> {
    const held = this.#held.get(id);
    const [claimed] = await this.#storage.set([id], holder, { ifAbsent });
    assert.deepEqual(claimed?.previous, publicEntry(held));
    assert.equal(claimed?.claim === undefined, ifAbsent && held !== undefined && held.life !== holder.life);
    if (claimed?.claim === undefined) return;
    const entry = { id, ...holder, claim: claimed.claim };
    this.#held.set(id, entry);
    this.#newest.set(holder.life + id, entry);
  }

  async #release(entry: IdEntry | undefined): Promise<void> {
    if (entry === undefined) return;
    const holds = this.#held.get(entry.id)?.claim === entry.claim;
    assert.deepEqual(await this.#storage.del([entry]), [holds]);
    if (holds) this.#held.delete(entry.id);
  }

  async #restart(node: number, { host, life }: Holder): Promise<void> {
    const young = newHolder(host);
    this.#nodes[node] = young;
    assert.equal((await this.#storage.renew(young, 60_000)).lapsed, true);
    for (const entry of [...this.#held.values()]) if (entry.life === life) this.#held.delete(entry.id);
  }
}

function publicEntry(entry: Entry | undefined): Entry | undefined {
  return entry && { host: entry.host, life: entry.life, claim: entry.claim };
}

/** Random histories of three nodes that claim, release, release late and restart. */
export function storageHistories(name: string, make: () => StoreUnderTest, { runs }: { runs: number }): void {
  test(`${name}: in any history the holder is who claimed last and has not given up that very claim`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const storage = make().open("websocket");
        await new History(storage).run(steps);
        await storage.close();
      }),
      { numRuns: runs },
    );
  });
}
