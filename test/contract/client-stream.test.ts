/** Streams of the server, as pages read them over a network that drops its connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MeshWebSocket } from "../../client/index.ts";
import type { Session } from "../../src/client/session.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { scene, took } from "../kit/client-scene.ts";

const session: Session = { onSubscribe: () => true, onPublish: (_, __, message) => message === "?" };
const topics: HubOptions["topics"] = [{ match: "answer:*", history: { messages: 5_000 } }];

async function textOf(ws: MeshWebSocket, topic = "answer:1"): Promise<string> {
  let text = "";
  for await (const part of ws.stream(topic)) text += String(part);
  return text;
}

test("client: reads a stream from its beginning, before, in the middle of and after it", () =>
  scene(() => session, async ({ hub, open }) => {
    const before = textOf(open().ws);
    const answer = hub.stream("answer:1");
    for (let number = 0; number < 2_000; number++) await answer.append(`${number},`);
    const middle = open().ws.stream("answer:1");
    const { value = "" } = await middle.next();
    assert.equal(value, Array.from({ length: 2_000 }, (_, number) => `${number},`).join(""), "so far, as one part");
    const next = middle.next();
    await answer.append("end");
    assert.equal((await next).value, "end");
    await answer.end();
    assert.deepEqual(await middle.next(), { done: true, value: undefined });
    assert.deepEqual(await Promise.all([before, textOf(open().ws)]), Array(2).fill(`${value}end`));
  }, { topics }));

test("client: a stream goes on after a lost connection, and after the server lost the client", () =>
  scene(session, async ({ hub, proxy, open }) => {
    const { ws, log } = open();
    const answer = hub.stream("answer:1");
    await answer.append("a");
    const read = textOf(ws);
    await took(log, "open");
    await answer.append("b");
    proxy.cut();
    await took(log, "away");
    await answer.append("c");
    await took(log, "resumed");
    proxy.cut();
    await took(log, "away");
    for (const client of hub) client.terminate();
    await answer.append("d");
    await answer.end();
    assert.equal(await read, "abcd");
  }, { topics }));

test("client: a stream on a topic without history rejects, and does not wait without an end", () =>
  scene(session, async ({ open }) => {
    await assert.rejects(textOf(open().ws, "other:1"), { code: "failed_precondition", message: /keeps no history/ });
  }, { topics }));

test("client: stops a stream, gets its failure, and writes nothing else to it", () =>
  scene(session, async ({ hub, open }) => {
    const { ws } = open();
    const answer = hub.stream("answer:1");
    await answer.append("a");
    const stopped = new Promise((resolve) => answer.stopped.addEventListener("abort", resolve));
    const failed = assert.rejects(textOf(ws), { code: "internal", message: "the producer failed" });
    await assert.rejects(ws.publish("answer:1", "+forged"), { code: "permission_denied" });
    await ws.publish("answer:1", "?");
    await stopped;
    await answer.fail(new Error("secret"));
    await failed;
  }, { topics }));
