import assert from "node:assert/strict";
import { test } from "node:test";
import type { Admission } from "../../src/door/admission.ts";
import { Frame } from "../../src/send/frame.ts";
import { DEFAULT_LIMITS } from "../../src/base/limits.ts";
import { MemoryWebSocket } from "../../src/door/memory-pair.ts";
import type { Socket } from "../../src/client/socket.ts";
import { attachWebSocket, openWebSocket, type WebSocketLike } from "../../src/door/whatwg-socket.ts";
import { Events } from "../kit/wait.ts";

/** An admission that keeps what it is told. */
function admission(): { admission: Admission; events: Events<unknown>; socket: () => Socket } {
  const events = new Events<unknown>("an event of the socket");
  let opened: Socket | undefined;
  return {
    events,
    socket: () => {
      assert.ok(opened);
      return opened;
    },
    admission: {
      id: "me",
      protocol: "",
      headers: new Headers(),
      open(socket) {
        opened = socket;
        events.add("open");
        return {
          message: (data) => events.add(data),
          handled: () => {},
          closed: (code, reason) => events.add([code, reason]),
          control: () => {},
          error: (error) => events.add(error),
        };
      },
      cancel: () => events.add("cancel"),
    },
  };
}

/** A WebSocket that is still connecting, and whose events are made by hand. */
class ManualWebSocket extends EventTarget implements WebSocketLike {
  readyState = 0;
  closes: unknown[][] = [];

  send(): void {}

  close(...args: unknown[]): void {
    this.closes.push(args);
  }

  happen(type: string, properties: object = {}): void {
    if (type === "open") this.readyState = 1;
    this.dispatchEvent(Object.assign(new Event(type), properties));
  }
}

test("a WebSocket becomes the connection when it opens, not before", async () => {
  const ws = new ManualWebSocket();
  const { admission: pending, events } = admission();
  attachWebSocket(ws, pending, DEFAULT_LIMITS);
  assert.deepEqual(events.waiting, []);
  ws.happen("open");
  ws.happen("message", { data: "hi" });
  assert.deepEqual([await events.next(), await events.next()], ["open", "hi"]);
});

for (const type of ["close", "error"]) {
  test(`a WebSocket that ends before it opens, with ${type}, cancels the admission once`, async () => {
    const ws = new ManualWebSocket();
    const { admission: pending, events } = admission();
    attachWebSocket(ws, pending, DEFAULT_LIMITS);
    ws.happen(type);
    ws.happen("close");
    assert.equal(await events.next(), "cancel");
    assert.deepEqual(events.waiting, []);
  });
}

test("a WebSocket that never opens is closed and its admission cancelled", async () => {
  const ws = new ManualWebSocket();
  const { admission: pending, events } = admission();
  attachWebSocket(ws, pending, { ...DEFAULT_LIMITS, upgradeTimeoutMs: 20 });
  assert.equal(await events.next(), "cancel");
  assert.equal(ws.closes.length, 1);
  ws.happen("open");
  assert.deepEqual(events.waiting, []);
});

test("a loss that the engine shows as 0 is 1006", async () => {
  const ws = new ManualWebSocket();
  ws.readyState = 1;
  const { admission: open, events } = admission();
  openWebSocket(ws, open, DEFAULT_LIMITS);
  ws.happen("close", { code: 0, reason: "" });
  ws.happen("close", { code: 0, reason: "" });
  assert.deepEqual([await events.next(), await events.next()], ["open", [1006, ""]]);
  assert.deepEqual(events.waiting, []);
});

test("where the engine has no terminate, the peer is closed and treated as gone, after the call", async () => {
  const ws = new ManualWebSocket();
  ws.readyState = 1;
  const { admission: open, events, socket } = admission();
  openWebSocket(ws, open, DEFAULT_LIMITS);
  assert.equal(await events.next(), "open");
  socket().terminate();
  assert.deepEqual(events.waiting, []);
  assert.equal(ws.closes.length, 1);
  assert.deepEqual(await events.next(), [1006, ""]);
  ws.happen("message", { data: "late" });
  ws.happen("close", { code: 1000, reason: "" });
  assert.deepEqual(events.waiting, []);
});

test("frames are taken in order, and none once the connection closes", async () => {
  const [server, browser] = MemoryWebSocket.pair();
  const { admission: open, events, socket } = admission();
  openWebSocket(server, open, DEFAULT_LIMITS);
  const got = new Events<unknown>("a message");
  browser.addEventListener("message", (event) => got.add((event as MessageEvent).data));
  assert.equal(socket().send([Frame.of("a"), Frame.of(Uint8Array.of(1))]), 2);
  assert.deepEqual([await got.next(), await got.next()], ["a", Uint8Array.of(1).buffer]);
  socket().close(4000, "bye");
  assert.equal(socket().send([Frame.of("late")]), 0);
  assert.equal(await events.next(), "open");
  assert.deepEqual(await events.next(), [4000, "bye"]);
});

for (const message of ["é".repeat(51), "x".repeat(101), new Uint8Array(101)]) {
  test(`a ${typeof message === "string" ? "text" : "binary"} message over the limit closes with 1009 and is not heard (${message.length})`, async () => {
    const [server, browser] = MemoryWebSocket.pair();
    const { admission: open, events } = admission();
    openWebSocket(server, open, { ...DEFAULT_LIMITS, maxMessageBytes: 100 });
    browser.send("é".repeat(50));
    browser.send(message);
    browser.send("after");
    assert.deepEqual([await events.next(), await events.next()], ["open", "é".repeat(50)]);
    assert.deepEqual(await events.next(), [1009, ""]);
    assert.deepEqual(events.waiting, []);
  });
}

test("a stalled reader leaves what it did not read in bufferedAmount", async () => {
  const [server, browser] = MemoryWebSocket.pair();
  const got = new Events<unknown>("a message");
  browser.addEventListener("message", (event) => got.add((event as MessageEvent).data));
  browser.stall();
  server.send("12345");
  server.send(new Uint8Array(5));
  await Promise.resolve();
  assert.equal(server.bufferedAmount, 10);
  browser.unstall();
  assert.equal(await got.next(), "12345");
  assert.deepEqual(await got.next(), new ArrayBuffer(5));
  assert.equal(server.bufferedAmount, 0);
});
