import assert from "node:assert/strict";
import { A, B, C, claim, listed, livingHolder, type Promised, sorted, withCode } from "../kit/storage.ts";

/** Ids and topics that look like something else, to a parser, a pattern or a type. */
export const nastyNames: readonly string[] = [
  "123",
  "-0",
  "1e3",
  "true",
  "false",
  "null",
  "undefined",
  "NaN",
  "OK",
  "[]",
  "{}",
  '"x"',
  "[1,2]",
  '{"a":1}',
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  " ",
  "a b",
  " a",
  "a ",
  "a:b",
  ":",
  "*",
  "?",
  "[a-z]",
  "a\nb",
  "\n",
  "\r\n",
  "\t",
  "\0",
  "a\0b",
  "a\0",
  "{a}",
  "}",
  "{",
  "%00",
  "..",
  "/",
  "\\",
  "'",
  "-",
  "+",
  "(",
  "[",
  "😀",
  "é",
  "e\u0301",
  "\ufeffbom",
  "\u2028",
  "\u{10ffff}",
  "\uffff",
  "مرحبا",
  "i",
  "s",
  "p",
  "1:a",
  "NOSCRIPT",
  "websocket",
  "x".repeat(512),
  "\u{1f600}".repeat(128),
  "\0".repeat(512),
];

/** What ids, topics and prefixes may spell. */
export function names(promise: Promised): void {
  promise("ids round-trip whatever they spell", async (storage) => {
    const a = await livingHolder(storage, A);
    const claimed = await storage.set(nastyNames, a);
    const entries = await storage.get(nastyNames);
    assert.deepEqual(entries.map((entry) => entry?.claim), claimed.map(({ claim: number }) => number));
    assert.deepEqual((await listed(storage)).map(({ id }) => id), nastyNames.toSorted());
    const removed = await storage.del(
      claimed.map(({ claim: number = 0n }, index) => ({ id: nastyNames[index] ?? "", ...a, claim: number })),
    );
    assert.ok(removed.every(Boolean));
  });

  promise("topics round-trip whatever they spell, and none is another's", async (storage) => {
    const a = await livingHolder(storage, A);
    const b = await livingHolder(storage, B);
    for (const [index, topic] of nastyNames.entries()) {
      if (index % 2 === 0) await storage.subscribe(topic, a);
      else await storage.subscribers(topic, b);
    }
    for (const [index, topic] of nastyNames.entries()) {
      assert.deepEqual(await storage.subscribers(topic), index % 2 === 0 ? [a] : []);
      assert.deepEqual(await storage.subscribe(topic, a), index % 2 === 0 ? [] : [b]);
    }
  });

  promise("a name that cannot be written as UTF-8 is refused", async (storage) => {
    const a = await livingHolder(storage, A);
    for (const name of ["\ud800", "a\udc00", ""]) {
      await assert.rejects(storage.set([name], a), withCode("invalid_argument"));
      await assert.rejects(storage.get([name]), withCode("invalid_argument"));
      await assert.rejects(storage.subscribe(name, a), withCode("invalid_argument"));
      await assert.rejects(storage.subscribers(name), withCode("invalid_argument"));
    }
  });

  promise("clusters with different prefixes share nothing", async (_storage, store) => {
    const prefixes = [
      "tenant1",
      "tenant10",
      "tenant1:",
      "tenant1:leases",
      "tenant",
      "tenant1:meta",
      ":",
      "tenant1 0",
      "😀",
      "__proto__",
    ];
    const clusters = await Promise.all(
      prefixes.map(async (prefix) => {
        const storage = store.open(prefix);
        const holder = await livingHolder(storage, A);
        return { storage, entry: await claim(storage, "alice", holder), holder };
      }),
    );
    for (const { storage, entry, holder } of clusters) {
      await storage.subscribe("news", holder);
      assert.deepEqual(await listed(storage), [entry]);
      assert.deepEqual(await storage.living(), [holder]);
      assert.deepEqual(await storage.subscribers("news"), [holder]);
      await storage.leave(holder);
    }
  });
}

/** Who wants a topic, and who publishes to it. */
export function topics(promise: Promised): void {
  promise("a subscriber is found by every look-up, and gone after unsubscribe", async (storage) => {
    const [a, b] = [await livingHolder(storage, A), await livingHolder(storage, C)];
    await storage.subscribe("news", a);
    await storage.subscribe("news", a);
    await storage.subscribe("news", b);
    assert.deepEqual(sorted(await storage.subscribers("news")), sorted([a, b]));
    await storage.unsubscribe("news", a);
    await storage.unsubscribe("news", a);
    assert.deepEqual(await storage.subscribers("news"), [b]);
    assert.deepEqual(await storage.subscribers("new"), []);
  });

  promise("a subscriber learns in the same step who publishes from a cache", async (storage) => {
    const [a, b, c] = [await livingHolder(storage, A), await livingHolder(storage, B), await livingHolder(storage, C)];
    assert.deepEqual(await storage.subscribe("news", a), []);
    assert.deepEqual(await storage.subscribers("news", b), [a]);
    assert.deepEqual(await storage.subscribers("news"), [a]);
    assert.deepEqual(await storage.subscribe("news", c), [b]);
  });

  promise("of a subscriber and a publisher at the same moment at least one learns of the other", async (storage) => {
    const [a, b] = [await livingHolder(storage, A), await livingHolder(storage, B)];
    for (let round = 0; round < 20; round++) {
      const [publishers, subscribers] = await Promise.all([
        storage.subscribe(`topic-${round}`, a),
        storage.subscribers(`topic-${round}`, b),
      ]);
      assert.ok(publishers.length + subscribers.length >= 1);
    }
  });
}
