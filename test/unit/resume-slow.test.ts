/** A client of `meshsocket.v1` that reads or acknowledges too slowly: nothing is counted that it does not get. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Frame } from "../../src/send/frame.ts";
import type { Socket, SocketReceiver } from "../../src/client/socket.ts";
import { until } from "../kit/until.ts";
import { upgradeRequest } from "../kit/memory-client.ts";
import { V1Client } from "../kit/v1-client.ts";

const MAX = 1_000;

/** A socket whose peer does not read: all that is written is held. */
class Unread implements Socket {
  bufferedAmount = 0;
  cut = false;
  readonly lines: string[] = [];

  send(frames: readonly Frame[]): number {
    for (const frame of frames) {
      this.lines.push(String(frame.payload));
      this.bufferedAmount += frame.byteLength;
    }
    return frames.length;
  }

  close(): void {
    this.cut = true;
  }

  terminate(): void {
    this.cut = true;
  }
}

async function unread(hub: Hub): Promise<{ socket: Unread; receiver: SocketReceiver }> {
  const admission = await hub.admit(upgradeRequest(undefined, "meshsocket.v1"), () => ({ id: "me" }), {
    remoteAddress: "",
  });
  if (admission instanceof Response) throw new Error(`refused with ${admission.status}`);
  const socket = new Unread();
  const receiver = admission.open(socket);
  await until("it to be open", () => hub.client("me") !== undefined);
  return { socket, receiver };
}

function dropping(): Hub {
  const options: HubOptions = { slowConsumer: "drop", limits: { maxBufferedBytes: MAX, maxLagBytes: MAX } };
  return new Hub({ logger: silentLogger, ...options });
}

test("with slowConsumer drop a message that is dropped is told to its sender and not counted for the client", async () => {
  await using hub = dropping();
  const { socket, receiver } = await unread(hub);
  const results: boolean[] = [];
  for (let each = 1; each <= 20; each++) results.push(await hub.emit("me", `${each} ${"x".repeat(100)}`));
  const taken = results.filter(Boolean).length;
  assert.ok(taken > 3 && taken < 20, `${taken} were taken`);
  assert.equal(hub.counters.dropped, 20 - taken);
  // The client reads what there is, and comes back later with its count.
  const { token } = JSON.parse(socket.lines[0]?.slice(7) ?? "") as { token: string };
  assert.equal(socket.lines.length, 1 + taken);
  receiver.message(`~ack ${taken}`);
  assert.equal(socket.cut, false);
  receiver.closed(1006, "");
  const back = await V1Client.open(hub, { id: "me" }, `${taken}.${token}`);
  assert.deepEqual([back.hello.resumed, back.hello.lost], [true, undefined]);
  assert.equal(await hub.emit("me", "next"), true);
  assert.equal(await back.next(), "next");
  back.socket.close(1000);
});

test("with slowConsumer drop a client that does not read stays although it is acknowledged, and is cut at twice the bound", async () => {
  await using hub = dropping();
  const { socket, receiver } = await unread(hub);
  while (await hub.emit("me", "x".repeat(100)));
  socket.bufferedAmount = MAX + 1;
  receiver.message("hello");
  receiver.message("~sync");
  assert.equal(socket.lines.at(-1), "~ack 1");
  assert.equal(socket.cut, false);
  for (let each = 0; !socket.cut && each < 1_000; each++) receiver.message(`~ping ${each}`);
  assert.equal(socket.cut, true);
  assert.ok(socket.bufferedAmount <= 2 * MAX + 200, `${socket.bufferedAmount} bytes`);
});

test("a connected client that acknowledges too late stays, and cannot resume until it has caught up", async () => {
  await using hub = new Hub({ logger: silentLogger, resume: { maxBytes: 1_000 } });
  const late = await V1Client.open(hub, { id: "late" });
  for (let each = 1; each <= 20; each++) assert.equal(await hub.emit("late", "x".repeat(100)), true);
  assert.equal((await late.take(20)).length, 20);
  assert.ok(((hub.client("late") as unknown as { v1: { ledger: { bytes: number } } }).v1.ledger.bytes) <= 1_000);
  late.send("~ack 20");
  late.send("~sync");
  assert.equal(await late.next(), "~ack 0");
  late.socket.terminate();
  const caughtUp = await V1Client.open(hub, { id: "late" }, `20.${late.hello.token}`);
  assert.equal(caughtUp.hello.resumed, true);
  for (let each = 1; each <= 20; each++) await hub.emit("late", "x".repeat(100));
  const reasons: string[] = [];
  hub.on("lost", ({ reason }) => void reasons.push(reason));
  caughtUp.socket.terminate();
  await until("it to be lost", () => reasons.length > 0);
  assert.deepEqual(reasons, ["overflow"]);
  const lost = await V1Client.open(hub, { id: "late" }, `20.${caughtUp.hello.token}`);
  assert.deepEqual([lost.hello.resumed, lost.hello.lost], [false, "unknown"]);
  lost.socket.close(1000);
});
