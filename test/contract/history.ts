import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type HistoryPage,
  type HistoryStore,
  type HistoryWindow,
  MAX_APPEND_BYTES,
  MAX_APPEND_MESSAGES,
  MAX_KEYS,
  MAX_READ_BYTES,
  MAX_READ_MESSAGES,
  type NewMessage,
} from "../../src/history/history.ts";
import { withCode } from "../kit/storage.ts";

/** A store of one test, and what the test may do to it. */
export interface HistoryUnderTest {
  /** A store over the same content; with another prefix, another cluster. */
  open(prefix: string): HistoryStore;
  /** Lets time pass for the store's clock. */
  pass(ms: number): Promise<void>;
  /** Forgets everything. */
  wipe(): Promise<void>;
}

type Body = (history: HistoryStore, store: HistoryUnderTest) => Promise<void>;

/** Every promise of src/history/history.ts, as tests. `make` gives a store of its own to each. */
export function historyContract(name: string, make: () => HistoryUnderTest): void {
  for (const [what, body] of [...ORDER, ...WINDOWS, ...READING, ...RECOVERY, ...REFUSALS]) {
    test(`${name}: ${what}`, async () => {
      const store = make();
      const history = store.open("websocket");
      await body(history, store);
      await history.close();
    });
  }
}

/** A window that nothing in a test exceeds. */
export const WIDE: HistoryWindow = { messages: 10_000, ms: 600_000, bytes: 100_000_000 };

/** Messages with these numbers as their texts. */
export function numbers(from: number, to: number): NewMessage[] {
  return Array.from({ length: to - from + 1 }, (_, index) => ({ data: String(from + index) }));
}

function texts({ messages }: HistoryPage): string[] {
  return messages.map(({ data }) => String(data));
}

function offsets({ messages }: HistoryPage): number[] {
  return messages.map(({ offset }) => offset);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

const ORDER: readonly (readonly [what: string, body: Body])[] = [
  ["offsets begin at 1 and grow by one, over calls and within one, in call order", async (history) => {
    const one = await history.append("room", numbers(1, 3), WIDE);
    const two = await history.append("room", numbers(4, 5), WIDE);
    assert.deepEqual(one.appended.map(({ offset }) => offset), [1, 2, 3]);
    assert.deepEqual(two.appended.map(({ offset }) => offset), [4, 5]);
    assert.equal(one.epoch, two.epoch);
    const page = await history.read("room");
    assert.deepEqual([offsets(page), texts(page)], [range(1, 5), ["1", "2", "3", "4", "5"]]);
    assert.deepEqual(page.end, { epoch: one.epoch, offset: 5 });
    assert.deepEqual([page.more, page.recovered], [false, true]);
    assert.deepEqual(await history.position("room"), page.end);
  }],
  ["texts and bytes come back exactly, with their keys and times", async (history) => {
    const all = Uint8Array.from({ length: 256 }, (_, index) => index);
    const data = [
      "",
      "\0",
      "\ufeffbom",
      "😀",
      '{"a":"b\\n"}',
      "text",
      "=",
      new Uint8Array(),
      all,
      all.subarray(1),
      all.subarray(2),
    ];
    const started = Date.now();
    await history.append(
      "room",
      data.map((one, index) => ({ data: one, key: index % 2 === 0 ? `k-${index}` : undefined })),
      WIDE,
    );
    const { messages } = await history.read("room");
    assert.deepEqual(
      messages.map((message) => message.data),
      data.map((one) => typeof one === "string" ? one : one.slice()),
    );
    assert.deepEqual(
      messages.map(({ key }) => key),
      data.map((_, index) => index % 2 === 0 ? `k-${index}` : undefined),
    );
    for (const { atMs } of messages) assert.ok(Math.abs(atMs - started) < 3_600_000, String(atMs));
  }],
  ["appends of two stores at once have one order without a gap, the same for both", async (history, store) => {
    const other = store.open("websocket");
    const calls = range(1, 40).map((index) =>
      (index % 2 === 0 ? history : other).append("room", numbers(1, index % 5 + 1), WIDE)
    );
    const results = await Promise.all(calls);
    const given = results.flatMap(({ appended }) => appended.map(({ offset }) => offset));
    assert.deepEqual(given.toSorted((a, b) => a - b), range(1, given.length));
    for (const { appended } of results) {
      assert.deepEqual(
        appended.map(({ offset }) => offset),
        range(appended[0]?.offset ?? 0, appended.at(-1)?.offset ?? 0),
      );
    }
    assert.deepEqual(await history.read("room"), await other.read("room"));
    await other.close();
  }],
  [
    "a key that repeats is not appended again, in one call and over calls, and tells the first offset",
    async (history, store) => {
      const first = await history.append(
        "room",
        [{ data: "a", key: "x" }, { data: "b", key: "x" }, { data: "c" }],
        WIDE,
      );
      assert.deepEqual(first.appended, [
        { offset: 1, repeated: false },
        { offset: 1, repeated: true },
        { offset: 2, repeated: false },
      ]);
      const other = store.open("websocket");
      const second = await other.append("room", [{ data: "d", key: "x" }, { data: "e", key: "y" }], WIDE);
      assert.deepEqual(second.appended, [{ offset: 1, repeated: true }, { offset: 3, repeated: false }]);
      const elsewhere = await other.append("hall", [{ data: "d", key: "x" }], WIDE);
      assert.deepEqual(elsewhere.appended, [{ offset: 1, repeated: false }]);
      assert.deepEqual(texts(await history.read("room")), ["a", "c", "e"]);
      const only = await history.append("room", [{ data: "f", key: "y" }], WIDE);
      assert.deepEqual(only.appended, [{ offset: 3, repeated: true }]);
      await other.close();
    },
  ],
  ["a key outlives its message, and the newest keys alone are remembered", async (history) => {
    const last = { ...WIDE, messages: 1 };
    await history.append("room", [{ data: "a", key: "x" }, { data: "b" }], last);
    assert.equal((await history.append("room", [{ data: "c", key: "x" }], last)).appended[0]?.repeated, true);
    for (let start = 0; start < MAX_KEYS; start += 512) {
      await history.append("room", range(start, start + 511).map((index) => ({ data: "", key: `k-${index}` })), last);
    }
    assert.equal((await history.append("room", [{ data: "c", key: "k-1" }], last)).appended[0]?.repeated, true);
    assert.equal((await history.append("room", [{ data: "c", key: "x" }], last)).appended[0]?.repeated, false);
  }],
];

const WINDOWS: readonly (readonly [what: string, body: Body])[] = [
  ["a window of messages is exact, at every append", async (history) => {
    const window = { ...WIDE, messages: 5 };
    for (let sent = 1; sent <= 30; sent += 3) {
      await history.append("room", numbers(sent, sent + 2), window);
      assert.deepEqual(offsets(await history.read("room")), range(Math.max(1, sent - 2), sent + 2));
    }
  }],
  ["a window of bytes is exact: texts count as UTF-8, bytes as they are", async (history) => {
    const window = { ...WIDE, bytes: 100 };
    const sizes: number[] = [];
    for (let round = 0; round < 60; round++) {
      const size = 1 + round * 7 % 40;
      sizes.push(size);
      const data = round % 3 === 0
        ? new Uint8Array(size)
        : round % 3 === 1
        ? "x".repeat(size)
        : "é".repeat(size / 2) + "x".repeat(size % 2);
      await history.append("room", [{ data }], window);
      let kept = 0;
      for (let sum = 0; kept < sizes.length && (sum += sizes.at(-1 - kept) ?? 0) <= 100;) kept++;
      assert.deepEqual(offsets(await history.read("room")), range(sizes.length - kept + 1, sizes.length));
    }
  }],
  ["a message longer than the window gets its offset and is not kept, nor is anything before it", async (history) => {
    const window = { ...WIDE, bytes: 10 };
    const { epoch } = await history.append("room", numbers(1, 3), window);
    await history.append("room", [{ data: "longer than ten" }], window);
    const page = await history.read("room", { from: { epoch, offset: 3 } });
    assert.deepEqual([page.messages, page.end.offset, page.recovered], [[], 4, false]);
    await history.append("room", [{ data: "5" }], window);
    assert.deepEqual(offsets(await history.read("room")), [5]);
  }],
  ["a window of time ends each message, and the end of the topic outlives them", async (history, store) => {
    const window = { ...WIDE, ms: 600 };
    const { epoch } = await history.append("room", numbers(1, 2), window);
    await store.pass(400);
    await history.append("room", numbers(3, 3), window);
    assert.deepEqual(offsets(await history.read("room")), [1, 2, 3]);
    await store.pass(250);
    assert.deepEqual(offsets(await history.read("room")), [3]);
    await store.pass(500);
    const page = await history.read("room", { from: { epoch, offset: 2 } });
    assert.deepEqual([page.messages, page.end, page.recovered], [[], { epoch, offset: 3 }, false]);
    assert.equal((await history.read("room", { from: { epoch, offset: 3 } })).recovered, true);
    const { appended } = await history.append("room", numbers(4, 4), window);
    assert.equal(appended[0]?.offset, 4);
    assert.deepEqual(offsets(await history.read("room")), [4]);
  }],
  ["a smaller window drops at the next append what no longer fits", async (history) => {
    await history.append("room", numbers(1, 20), WIDE);
    await history.append("room", numbers(21, 21), { ...WIDE, messages: 3 });
    assert.deepEqual(offsets(await history.read("room")), [19, 20, 21]);
  }],
];

const READING: readonly (readonly [what: string, body: Body])[] = [
  ["the newest, a range, a limit and the reverse read what they name", async (history) => {
    await history.append("room", numbers(1, 50), WIDE);
    const { epoch } = await history.position("room");
    const from = (offset: number) => ({ epoch, offset });
    assert.deepEqual(offsets(await history.read("room", { from: { last: 3 } })), [48, 49, 50]);
    assert.deepEqual(offsets(await history.read("room", { from: { last: 99 } })), range(1, 50));
    assert.deepEqual(offsets(await history.read("room", { from: from(10), to: 13 })), [11, 12, 13]);
    assert.deepEqual(offsets(await history.read("room", { to: 2 })), [1, 2]);
    assert.deepEqual(offsets(await history.read("room", { to: 0 })), []);
    assert.deepEqual(offsets(await history.read("room", { from: from(10), limit: 20 })), range(11, 30));
    assert.deepEqual(offsets(await history.read("room", { reverse: true, limit: 3 })), [50, 49, 48]);
    assert.deepEqual(offsets(await history.read("room", { from: from(45), reverse: true })), [50, 49, 48, 47, 46]);
    assert.deepEqual(offsets(await history.read("room", { to: 20, reverse: true, limit: 2 })), [20, 19]);
    assert.deepEqual(offsets(await history.read("room", { from: from(50) })), []);
  }],
  ["pages put together are the whole, and only the last says that there is no more", async (history) => {
    await history.append("room", numbers(1, 95), WIDE);
    const read: number[] = [];
    let page = await history.read("room", { limit: 10 });
    for (let pages = 1; pages < 20; pages++) {
      read.push(...offsets(page));
      assert.equal(page.more, read.length < 95);
      if (!page.more) break;
      page = await history.read("room", { from: { epoch: page.end.epoch, offset: read.at(-1) ?? 0 }, limit: 10 });
      assert.equal(page.recovered, true);
    }
    assert.deepEqual(read, range(1, 95));
    assert.equal((await history.read("room", { reverse: true, limit: 95 })).more, false);
    assert.equal((await history.read("room", { reverse: true, limit: 94 })).more, true);
  }],
  ["a page ends after so many bytes, and holds one message at least", async (history) => {
    const data = "x".repeat(MAX_READ_BYTES * 0.4);
    for (let count = 0; count < 5; count++) await history.append("room", [{ data }], WIDE);
    const page = await history.read("room");
    assert.deepEqual([offsets(page), page.more], [[1, 2], true]);
    await history.append("room", [{ data: "y".repeat(MAX_READ_BYTES * 1.5) }], WIDE);
    assert.deepEqual(offsets(await history.read("room", { from: { last: 1 } })), [6]);
  }],
  ["the messages of the last milliseconds are read", async (history, store) => {
    await history.append("room", numbers(1, 20), WIDE);
    await store.pass(500);
    await history.append("room", numbers(21, 23), WIDE);
    assert.deepEqual(offsets(await history.read("room", { from: { ms: 400 } })), [21, 22, 23]);
    assert.deepEqual(offsets(await history.read("room", { from: { ms: 60_000 } })), range(1, 23));
  }],
  ["topics and prefixes are apart, whatever their names", async (history, store) => {
    const other = store.open("websocke");
    const names = [
      "room",
      "room:1",
      ":",
      "{",
      "}",
      "{}",
      "}x",
      "messages:room",
      "topic:room",
      "\0",
      " ",
      "é",
      "😀",
      "*",
      "a\nb",
    ];
    for (const [index, topic] of names.entries()) await history.append(topic, numbers(index, index), WIDE);
    await other.append("room", numbers(99, 99), WIDE);
    for (const [index, topic] of names.entries()) assert.deepEqual(texts(await history.read(topic)), [String(index)]);
    assert.deepEqual(texts(await other.read("room")), ["99"]);
    assert.deepEqual(texts(await other.read("t:room")), []);
    await other.close();
  }],
];

const RECOVERY: readonly (readonly [what: string, body: Body])[] = [
  ["from a position everything after it is read, once, and it is recovered", async (history) => {
    const { epoch } = await history.append("room", numbers(1, 10), WIDE);
    for (let offset = 0; offset <= 10; offset++) {
      const page = await history.read("room", { from: { epoch, offset } });
      assert.deepEqual([offsets(page), page.recovered], [range(offset + 1, 10), true]);
    }
  }],
  ["a position whose next message was dropped is not recovered, and the rest is read", async (history) => {
    const { epoch } = await history.append("room", numbers(1, 10), { ...WIDE, messages: 4 });
    const page = await history.read("room", { from: { epoch, offset: 5 } });
    assert.deepEqual([offsets(page), page.recovered], [[7, 8, 9, 10], false]);
    assert.equal((await history.read("room", { from: { epoch, offset: 6 } })).recovered, true);
  }],
  ["a position of an empty topic is recovered later", async (history, store) => {
    const empty = await history.position("room");
    assert.equal(empty.offset, 0);
    assert.deepEqual(await history.position("room"), empty);
    const other = store.open("websocket");
    await other.append("room", numbers(1, 2), WIDE);
    const page = await history.read("room", { from: empty });
    assert.deepEqual([offsets(page), page.recovered], [[1, 2], true]);
    await other.close();
  }],
  ["a position of another epoch, or after the end, is not recovered and changes nothing", async (history) => {
    const { epoch } = await history.append("room", numbers(1, 3), WIDE);
    const foreign = await history.read("room", { from: { epoch: "another", offset: 2 } });
    assert.deepEqual([offsets(foreign), foreign.recovered], [[1, 2, 3], false]);
    const beyond = await history.read("room", { from: { epoch, offset: 1_000 } });
    assert.deepEqual([beyond.messages, beyond.recovered], [[], false]);
    const page = await history.read("room", { from: { epoch, offset: 1 } });
    assert.deepEqual([offsets(page), page.recovered, page.end.epoch], [[2, 3], true, epoch]);
  }],
  ["a wiped store begins another epoch, and no position from before is ever recovered", async (history, store) => {
    const { epoch } = await history.append("room", numbers(1, 5), WIDE);
    await store.wipe();
    const after = await history.append("room", numbers(6, 9), WIDE);
    assert.notEqual(after.epoch, epoch);
    assert.deepEqual(after.appended.map(({ offset }) => offset), [1, 2, 3, 4]);
    await history.append("room", numbers(10, 15), WIDE);
    for (const offset of [0, 2, 5]) {
      assert.equal((await history.read("room", { from: { epoch, offset } })).recovered, false);
    }
  }],
  ["a topic that is cleared has nothing, and begins another epoch", async (history) => {
    const { epoch } = await history.append("room", [{ data: "a", key: "x" }], WIDE);
    await history.clear("room");
    const page = await history.read("room", { from: { epoch, offset: 1 } });
    assert.deepEqual([page.messages, page.recovered, page.end.offset], [[], false, 0]);
    assert.equal((await history.append("room", [{ data: "a", key: "x" }], WIDE)).appended[0]?.repeated, false);
  }],
];

const REFUSALS: readonly (readonly [what: string, body: Body])[] = [
  ["bad arguments reject with invalid_argument, and nothing is appended", async (history) => {
    const good = numbers(1, 1);
    const any = (value: unknown) => value as never;
    const calls: (() => Promise<unknown>)[] = [
      () => history.append("", good, WIDE),
      () => history.append(any(5), good, WIDE),
      () => history.append("\ud800", good, WIDE),
      () => history.append("room", [], WIDE),
      () => history.append("room", any("text"), WIDE),
      () => history.append("room", [any("text")], WIDE),
      () => history.append("room", [{ data: any(5) }], WIDE),
      () => history.append("room", [{ data: "\ud800" }], WIDE),
      () => history.append("room", [{ data: "a", key: "" }], WIDE),
      () => history.append("room", [{ data: "a", key: any(5) }], WIDE),
      () => history.append("room", [{ data: "a", key: "x".repeat(129) }], WIDE),
      () => history.append("room", numbers(0, MAX_APPEND_MESSAGES), WIDE),
      () => history.append("room", [{ data: "x".repeat(MAX_APPEND_BYTES) }, { data: "x" }], WIDE),
      () => history.append("room", good, any(undefined)),
      ...["messages", "ms", "bytes"].flatMap((name) =>
        [0, -1, NaN, Infinity, "5", undefined].map((value) => () =>
          history.append("room", good, { ...WIDE, [name]: value })
        )
      ),
      () => history.read(""),
      () => history.read("room", any(5)),
      () => history.read("room", { from: any(5) }),
      () => history.read("room", { from: any({}) }),
      () => history.read("room", { from: { epoch: "", offset: 1 } }),
      () => history.read("room", { from: { epoch: "a b", offset: 1 } }),
      () => history.read("room", { from: { epoch: "a", offset: -1 } }),
      () => history.read("room", { from: { epoch: "a", offset: 1.5 } }),
      () => history.read("room", { from: { last: 0 } }),
      () => history.read("room", { from: { ms: 0 } }),
      () => history.read("room", { limit: 0 }),
      () => history.read("room", { limit: MAX_READ_MESSAGES + 1 }),
      () => history.read("room", { to: -1 }),
      () => history.position(""),
      () => history.clear(""),
    ];
    for (const call of calls) await assert.rejects(call(), withCode("invalid_argument"), call.toString());
    assert.equal((await history.position("room")).offset, 0);
  }],
  ["a caller's signal rejects with canceled", async (history) => {
    const signal = AbortSignal.abort();
    await assert.rejects(history.append("room", numbers(1, 1), WIDE, { signal }), withCode("canceled"));
    await assert.rejects(history.read("room", { signal }), withCode("canceled"));
    await assert.rejects(history.position("room", { signal }), withCode("canceled"));
    assert.equal((await history.position("room")).offset, 0);
  }],
  ["after close every call rejects with failed_precondition, and the messages stay", async (history, store) => {
    const other = store.open("websocket");
    await other.append("room", numbers(1, 1), WIDE);
    await other.close();
    await assert.rejects(other.append("room", numbers(2, 2), WIDE), withCode("failed_precondition"));
    await assert.rejects(other.read("room"), withCode("failed_precondition"));
    assert.deepEqual(texts(await history.read("room")), ["1"]);
  }],
];
