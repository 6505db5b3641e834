/** The checker of histories is only worth something if it finds what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Delivery } from "../../src/send/verbs.ts";
import { History } from "../kit/history.ts";
import { brokenPromises } from "../kit/history-check.ts";

const done = async (): Promise<void> => {};
const fails = async (): Promise<never> => {
  throw new Error("refused");
};

function delivery(delivered: number, other: Partial<Delivery> = {}): Delivery {
  return { delivered, held: 0, dropped: 0, unreachable: [], ...other };
}

/** Publishes "topic number" from "p", which `receivers` get, and counts them. */
async function send(history: History, message: string, receivers: string[], counted?: Delivery): Promise<void> {
  await history.publish({ publisher: "p", topic: "news", message }, async () => {
    for (const client of receivers) history.received(client, message);
    return counted ?? delivery(receivers.length);
  });
}

async function listening(...clients: string[]): Promise<History> {
  const history = new History();
  for (const client of clients) await history.subscribe(client, "news", done);
  return history;
}

test("history: one that keeps every promise has no findings", async () => {
  const history = await listening("a", "b");
  await send(history, "1", ["a", "b"]);
  await history.unsubscribe("a", "news", done);
  await send(history, "2", ["b"]);
  await history.subscribe("a", "news", done);
  await send(history, "3", ["b", "a"]);
  assert.deepEqual(brokenPromises(history), []);
});

test("history: a missed message is found", async () => {
  const history = await listening("a", "b");
  await send(history, "1", ["a"]);
  assert.deepEqual(brokenPromises(history), ["b missed 1 of news"]);
});

test("history: a message missed after a second subscribe is found", async () => {
  const history = await listening("a");
  await history.unsubscribe("a", "news", done);
  await history.subscribe("a", "news", done);
  await send(history, "1", []);
  assert.deepEqual(brokenPromises(history), ["a missed 1 of news"]);
});

test("history: what is published while a subscribe or an unsubscribe is under way may come or not", async () => {
  for (const receivers of [[], ["a"]]) {
    const history = new History();
    await history.subscribe("a", "news", () => send(history, "1", receivers));
    await history.unsubscribe("a", "news", () => send(history, "2", receivers));
    assert.deepEqual(brokenPromises(history), []);
  }
});

test("history: nothing is promised of a publish that rejected, dropped the message, or names a host", async () => {
  const history = await listening("a");
  await history.publish({ publisher: "p", topic: "news", message: "1" }, fails);
  await send(history, "2", [], delivery(0, { dropped: 1 }));
  await send(history, "3", [], delivery(0, { unreachable: ["b:1"] }));
  await send(history, "4", ["a"], delivery(0, { unreachable: ["b:1"] }));
  assert.deepEqual(brokenPromises(history), []);
});

test("history: a subscribe that failed obliges nobody, and one that failed later changes nothing", async () => {
  const history = new History();
  await history.subscribe("a", "news", fails);
  await send(history, "1", []);
  await history.subscribe("a", "news", done);
  await history.subscribe("a", "news", fails);
  await send(history, "2", []);
  assert.deepEqual(brokenPromises(history), ["a missed 2 of news"]);
});

test("history: a message after the unsubscribe settled is found", async () => {
  const history = await listening("a");
  await history.unsubscribe("a", "news", done);
  await send(history, "1", ["a"]);
  assert.deepEqual(brokenPromises(history), ["a got 1 of news without listening"]);
});

test("history: a message of another topic, to one left out, or that nobody sent, is found", async () => {
  const history = await listening("a");
  await history.publish({ publisher: "p", topic: "sports", message: "1" }, async () => {
    history.received("a", "1");
    return delivery(1);
  });
  await history.publish({ publisher: "p", topic: "news", message: "2", except: ["a"] }, async () => {
    history.received("a", "2");
    return delivery(1);
  });
  history.received("a", "3");
  assert.deepEqual(brokenPromises(history), [
    "a got 1 of sports without listening",
    "a got 2, which leaves it out",
    "a got 3, which nobody sent",
  ]);
});

test("history: a message that comes twice is found, and so is its count", async () => {
  const history = await listening("a");
  await send(history, "1", ["a", "a"], delivery(1));
  assert.deepEqual(brokenPromises(history), ["a got 1 2 times", "1 counts 1 delivered, but 2 got it"]);
});

test("history: messages in the wrong order are found, also across topics when they were awaited", async () => {
  const history = await listening("a");
  await history.subscribe("a", "sports", done);
  await send(history, "1", [], delivery(1));
  await send(history, "2", [], delivery(1));
  await history.publish({ publisher: "p", topic: "sports", message: "3" }, async () => delivery(1));
  for (const message of ["3", "2", "1"]) history.received("a", message);
  assert.deepEqual(brokenPromises(history), [
    "a got 3 before 2, which was awaited",
    "a got 2 before 1, which was sent first",
    "a got 3 before 1, which was awaited",
  ]);
});

test("history: messages of two publishers come in any order", async () => {
  const history = await listening("a");
  await history.publish({ publisher: "p", topic: "news", message: "1" }, async () => delivery(1));
  await history.publish({ publisher: "q", topic: "news", message: "2" }, async () => delivery(1));
  for (const message of ["2", "1"]) history.received("a", message);
  assert.deepEqual(brokenPromises(history), []);
});

test("history: a count that does not add up is found, but for clients that went away", async () => {
  const history = await listening("a", "b");
  await history.unsubscribe("b", "news", done);
  await send(history, "1", ["a"], delivery(2));
  assert.deepEqual(brokenPromises(history), ["1 counts 2 delivered, but only 1 got it"]);
  history.closed("b");
  assert.deepEqual(brokenPromises(history), []);
});

test("history: one that cannot be judged is refused", async () => {
  const history = await listening("a");
  await history.subscribe("a", "news", () => history.unsubscribe("a", "news", done));
  assert.throws(() => brokenPromises(history), /overlap/);
  const same = await listening();
  await send(same, "1", []);
  await send(same, "1", []);
  assert.throws(() => brokenPromises(same), /the same/);
});
