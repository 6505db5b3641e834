import assert from "node:assert/strict";
import { test } from "node:test";
import { type HistoryStore, KEYS_MS, MAX_KEYS } from "../../src/history/history.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import { historyContract, type HistoryUnderTest, numbers, WIDE } from "../contract/history.ts";

/** Several stores over one content, as the hubs of one process share it; each is closed by itself. */
function makeStore(): HistoryUnderTest {
  let now = Date.now();
  const stores = new Map<string, MemoryHistory>();
  return {
    open(prefix) {
      const shared = stores.get(prefix) ?? new MemoryHistory({ now: () => now });
      stores.set(prefix, shared);
      return closable(shared);
    },
    async pass(ms) {
      now += ms;
    },
    async wipe() {
      for (const store of stores.values()) store.wipe();
    },
  };
}

/** The shared store until this one is closed, and then its own, which is. */
function closable(shared: MemoryHistory): HistoryStore {
  const own = new MemoryHistory();
  let store = shared;
  return {
    append: (...args) => store.append(...args),
    read: (...args) => store.read(...args),
    position: (...args) => store.position(...args),
    clear: (...args) => store.clear(...args),
    async close() {
      store = own;
      await own.close();
    },
  };
}

historyContract("memory history", makeStore);

test("memory history: the topic unused for longest is forgotten over the limit, and its positions are not recovered", async () => {
  const history = new MemoryHistory({ maxTopics: 10 });
  const first = await history.append("topic-0", numbers(1, 1), WIDE);
  for (let index = 1; index < 20; index++) await history.append(`topic-${index}`, numbers(1, 1), WIDE);
  const page = await history.read("topic-0", { from: { epoch: first.epoch, offset: 1 } });
  assert.deepEqual([page.recovered, page.messages], [false, []]);
  assert.equal((await history.read("topic-19")).messages.length, 1);
});

test("memory history: a topic unused for longer than its end is kept begins another epoch", async () => {
  let now = 1_000_000;
  const history = new MemoryHistory({ metaMs: 10_000, now: () => now });
  const { epoch } = await history.append("room", numbers(1, 1), WIDE);
  now += 9_000;
  assert.equal((await history.position("room")).epoch, epoch);
  now += 10_001;
  assert.notEqual((await history.position("room")).epoch, epoch);
});

test("memory history: a key is forgotten 5 minutes after the last message with a key, and after 1,024 newer ones", async () => {
  let now = Date.now();
  const history = new MemoryHistory({ now: () => now });
  const append = async (key: string): Promise<boolean> => {
    const { appended: [one] } = await history.append("room", [{ data: "", key }], WIDE);
    return one?.repeated === true;
  };
  assert.equal(await append("a"), false);
  now += KEYS_MS - 1;
  assert.equal(await append("a"), true);
  now += KEYS_MS;
  assert.equal(await append("a"), false);
  for (let index = 0; index < MAX_KEYS; index++) await append(String(index));
  assert.equal(await append("a"), false);
});
