import assert from "node:assert/strict";
import { test } from "node:test";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { MeshError } from "../../src/base/error.ts";
import type { Stream } from "../../src/hub/stream/stream.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import { until } from "../kit/until.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";

const TOPICS: HubOptions["topics"] = [{ match: "answer:*", history: { messages: 10_000 } }];

async function textOf(stream: Stream): Promise<string> {
  let text = "";
  for await (const part of stream.read()) text += String(part);
  return text;
}

/** A history that cannot be written for a while. */
class BrokenHistory extends MemoryHistory {
  broken = false;
  failures = 0;

  override append(...args: Parameters<MemoryHistory["append"]>): ReturnType<MemoryHistory["append"]> {
    if (!this.broken) return super.append(...args);
    this.failures++;
    return Promise.reject(new MeshError("unavailable", "the history is down"));
  }
}

function hubsOf([a, b, c]: readonly [MemoryNode, MemoryNode, MemoryNode]): [DistHub, DistHub, DistHub] {
  return [a.hub, b.hub, c.hub];
}

test("a stream is read from its beginning, by those who come before it, in its middle and after its end", async () => {
  await using hub = new Hub({ topics: TOPICS });
  const before = textOf(hub.stream("answer:1"));
  const answer = hub.stream("answer:1");
  await answer.append("Hel");
  await answer.append("lo, ");
  const middle = textOf(hub.stream("answer:1"));
  const state = await hub.stream("answer:1").state();
  await Promise.all([answer.append("wor"), answer.append("ld")]);
  await answer.end();
  assert.equal(state, "open");
  assert.deepEqual(await Promise.all([before, middle, textOf(hub.stream("answer:1"))]), Array(3).fill("Hello, world"));
  assert.equal(await hub.stream("answer:1").state(), "ended");
  assert.equal(answer.stopped.aborted, false);
});

test("a reader that comes late gets what there is as one part", async () => {
  await using hub = new Hub({ topics: TOPICS });
  const answer = hub.stream("answer:1");
  for (const part of "abc") await answer.append(part);
  const reader = hub.stream("answer:1").read();
  assert.deepEqual(await reader.next(), { done: false, value: "abc" });
  const next = reader.next();
  await answer.append("d");
  assert.deepEqual(await next, { done: false, value: "d" });
  await answer.end();
  assert.deepEqual(await reader.next(), { done: true, value: undefined });
});

test("bytes stay bytes, and parts of one tick are one message", async () => {
  await using hub = new Hub({ topics: TOPICS });
  const answer = hub.stream("answer:1");
  await Promise.all([answer.append(Uint8Array.of(1)), answer.append(Uint8Array.of(2)), answer.append("text")]);
  const { messages } = await hub.history("answer:1");
  assert.equal(messages.length, 3, "the beginning, the bytes, the text");
  const reader = hub.stream("answer:1").read();
  assert.deepEqual((await reader.next()).value, Uint8Array.of(1, 2));
  assert.deepEqual((await reader.next()).value, "text");
  await reader.return(undefined);
});

test("a reader on another node stops the producer, and one that leaves does not", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = hubsOf(await threeNodes(cluster, { topics: TOPICS }));
  const answer = a.stream("answer:1");
  await answer.append("one");
  const leaving = b.stream("answer:1").read();
  assert.equal((await leaving.next()).value, "one");
  await leaving.return(undefined);
  await answer.append("two");
  assert.equal(answer.stopped.aborted, false);
  const stopped = new Promise((resolve) => answer.stopped.addEventListener("abort", resolve));
  await c.stream("answer:1").stop();
  await stopped;
  assert.equal((answer.stopped.reason as MeshError).code, "canceled");
  await answer.append("!");
  await answer.end();
  assert.equal(await textOf(b.stream("answer:1")), "onetwo!");
});

test("a stream that fails fails for its readers, with a text only of a MeshError", async () => {
  await using hub = new Hub({ topics: TOPICS });
  for (
    const [topic, error, text] of [
      ["answer:1", new MeshError("resource_exhausted", "no tokens left"), "no tokens left"],
      ["answer:2", new Error("secret"), "the producer failed"],
    ] as const
  ) {
    const answer = hub.stream(topic);
    await answer.append("a");
    await answer.fail(error);
    await assert.rejects(textOf(hub.stream(topic)), { message: text });
    await assert.rejects(answer.append("b"), { message: text });
  }
});

test("a stream whose hub is closed fails for the readers of other nodes", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = hubsOf(await threeNodes(cluster, { topics: TOPICS }));
  await a.stream("answer:1").append("one");
  const failed = assert.rejects(textOf(b.stream("answer:1")), { code: "unavailable" });
  await a.close();
  await failed;
});

test("a stream whose node dies fails for readers on other nodes, present and later", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, { topics: TOPICS, leaseMs: 1_000 });
  await a.hub.stream("answer:1").append("one");
  const failed = assert.rejects(textOf(b.hub.stream("answer:1")), { code: "unavailable" });
  await cluster.kill(a.host);
  await failed;
  await assert.rejects(textOf(c.hub.stream("answer:1")), { code: "unavailable" });
});

test("a stream whose node died while nobody read it is not open for whoever asks", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster, { topics: TOPICS, leaseMs: 1_000 });
  await a.hub.stream("answer:1").append("one");
  await cluster.kill(a.host);
  assert.equal(await b.hub.stream("answer:1").state(), "failed");
});

test("a stream ends when another begins on its topic", async () => {
  await using hub = new Hub({ topics: TOPICS });
  const first = hub.stream("answer:1");
  await first.append("one");
  const reader = hub.stream("answer:1").read();
  assert.equal((await reader.next()).value, "one");
  const failed = assert.rejects(reader.next(), { code: "canceled" });
  const second = hub.stream("answer:1");
  await second.append("two");
  await second.end();
  await failed;
  await assert.rejects(first.append("more"), { code: "failed_precondition" });
  assert.equal(await textOf(hub.stream("answer:1")), "two");
});

test("a stream to which nothing is appended fails, and one whose beginning is gone says so", async () => {
  await using hub = new Hub({ topics: [{ match: "answer:*", history: { messages: 2 } }] });
  const answer = hub.stream("answer:1", { idleMs: 50 });
  await answer.append("one");
  await assert.rejects(textOf(hub.stream("answer:1")), { code: "deadline_exceeded" });
  const longer = hub.stream("answer:2");
  for (const part of "abc") await longer.append(part);
  await assert.rejects(textOf(hub.stream("answer:2")), { code: "not_found" });
});

test("a stream whose history could not be written fails for its readers as soon as it can be", async () => {
  const history = new BrokenHistory();
  await using hub = new Hub({ topics: TOPICS, history });
  const answer = hub.stream("answer:1");
  await answer.append("one");
  const reader = hub.stream("answer:1").read();
  assert.equal((await reader.next()).value, "one");
  const failed = assert.rejects(reader.next(), { code: "unavailable" });
  history.broken = true;
  await assert.rejects(answer.append("two"), { code: "unavailable" });
  // Longer than anything is tried again for.
  await until("many failures", () => history.failures > 12);
  history.broken = false;
  await failed;
});

test("a stream that could not be ended, and is left alone, fails for its readers as soon as it can be", async () => {
  const history = new BrokenHistory();
  await using hub = new Hub({ topics: TOPICS, history });
  const answer = hub.stream("answer:1", { idleMs: 4_000 });
  await answer.append("one");
  const failed = assert.rejects(textOf(hub.stream("answer:1")), { code: "deadline_exceeded" });
  history.broken = true;
  await assert.rejects(answer.end(), { code: "unavailable" });
  const { failures } = history;
  await until("many failures after the idle time", () => history.failures > failures + 8);
  history.broken = false;
  await failed;
  assert.equal((answer.stopped.reason as MeshError).code, "deadline_exceeded");
});

test("bad arguments of a stream are refused", async () => {
  await using hub = new Hub({ topics: TOPICS });
  assert.throws(() => hub.stream(""), { code: "invalid_argument" });
  assert.throws(() => hub.stream("answer:1", { idle: 1 } as object), { code: "invalid_argument" });
  await assert.rejects(hub.stream("answer:1").append({} as string), { code: "invalid_argument" });
  await assert.rejects(hub.stream("other").append("a"), { code: "failed_precondition" });
  await assert.rejects(hub.stream("other").stop(), { code: "failed_precondition", message: /keeps no history/ });
  assert.ok(DistHub.prototype instanceof Hub);
});
