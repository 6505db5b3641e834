/** When what is sent to a client is written: once a tick, and an answer from its own handler as soon as its messages were read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../src/client/client.ts";
import type { Frame } from "../../src/send/frame.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Socket, SocketReceiver } from "../../src/client/socket.ts";
import { afterTick } from "../../src/base/tick.ts";
import { upgradeRequest } from "../kit/memory-client.ts";

/** A socket that keeps each write as the texts in it. */
class Writes implements Socket {
  readonly bufferedAmount = 0;
  readonly all: string[][] = [];

  send(frames: readonly Frame[]): number {
    this.all.push(frames.map(({ payload }) => String(payload)));
    return frames.length;
  }

  close(): void {}
  terminate(): void {}
}

type OnEvent = (client: Client, message: string | Uint8Array) => unknown;

async function opened(hub: Hub, id: string, onEvent: OnEvent): Promise<{ writes: Writes; receiver: SocketReceiver }> {
  const admission = await hub.admit(upgradeRequest(), () => ({ id, onEvent }), { remoteAddress: "" });
  if (admission instanceof Response) throw new Error(`refused with ${admission.status}`);
  const writes = new Writes();
  return { writes, receiver: admission.open(writes) };
}

const tick = (): Promise<void> => new Promise((resolve) => afterTick(resolve));

test("what a handler answers to its client is written when its messages were read, all of them at once, before other sockets are read", async () => {
  const hub = new Hub();
  const order: string[] = [];
  const { writes, receiver } = await opened(hub, "me", (client, message) => {
    order.push(`heard ${String(message)}`);
    void client.emit(`re ${String(message)}`);
  });
  await tick();
  afterTick(() => order.push("end of the tick"));
  receiver.message("1", true);
  receiver.message("2", true);
  assert.deepEqual(writes.all, []);
  receiver.handled();
  assert.deepEqual(writes.all, [["re 1", "re 2"]]);
  receiver.message("3");
  assert.deepEqual(writes.all.at(-1), ["re 3"]);
  await tick();
  assert.deepEqual(order, ["heard 1", "heard 2", "heard 3", "end of the tick"]);
  assert.equal(writes.all.length, 2);
});

test("an answer takes with it what was sent before, and nothing that follows overtakes it", async () => {
  const hub = new Hub();
  const { writes, receiver } = await opened(hub, "me", (client, message) => {
    void hub.broadcast("to all, before");
    void client.emit(`re ${String(message)}`);
    void hub.broadcast("to all, after");
  });
  await Promise.all(["a", "b", "c", "d", "e"].map((id) => opened(hub, id, () => {})));
  await tick();
  void hub.emit("me", "first");
  receiver.message("1");
  void hub.emit("me", "last");
  await tick();
  assert.deepEqual(writes.all.flat(), ["first", "to all, before", "re 1", "to all, after", "last"]);
});

test("what others are sent by a handler, and what it sends after it has waited, is written once at the end of the tick", async () => {
  const hub = new Hub();
  const other = await opened(hub, "other", () => {});
  const { writes, receiver } = await opened(hub, "me", async (client) => {
    void hub.emit("other", "1");
    await Promise.resolve();
    void hub.emit("other", "2");
    void client.emit("late");
    await Promise.resolve();
    void client.emit("later");
  });
  await tick();
  receiver.message("go");
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assert.deepEqual([writes.all, other.writes.all], [[], []]);
  await tick();
  assert.deepEqual([writes.all, other.writes.all], [[["late", "later"]], [["1", "2"]]]);
});

test("an emit to one's own client tells whether the socket took it", async () => {
  const hub = new Hub();
  const results: Promise<boolean>[] = [];
  const { writes, receiver } = await opened(hub, "me", (client) => results.push(client.emit("answer")));
  await tick();
  receiver.message("a");
  assert.deepEqual(await Promise.all(results), [true]);
  writes.send = () => 0;
  receiver.message("b");
  assert.equal(results.length, 2);
  assert.equal(await results[1], false);
});
