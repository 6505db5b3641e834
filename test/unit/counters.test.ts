/** Guarantee 12: a hub counts what it does, in plain numbers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram, SIZES } from "../../src/base/counters/histogram.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { Hub } from "../../src/hub/hub.ts";
import { MemoryClient, upgradeRequest } from "../kit/memory-client.ts";
import { MemoryCluster } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

/** Settles once what a client sent was handled. */
function handled(hub: Hub, count: number): Promise<void> {
  return until("the count", () => hub.counters.handled >= count);
}

test("clients are counted as they connect, leave and are refused", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const { counters } = hub;
  const alice = await MemoryClient.open(hub, { id: "alice" });
  await MemoryClient.open(hub, { id: "bob" });
  await until("the count", () => counters.connects === 2);
  await hub.disconnect("alice", 4000, "bye");
  await alice.untilClosed;
  await until("the count", () => counters.closes[4000] === 1);
  const refused = await hub.admit(upgradeRequest(), () => new Response(null, { status: 401 }), { remoteAddress: "" });
  assert.ok(refused instanceof Response);
  assert.deepEqual(counters.refusals, { session: 1 });
});

test("messages and bytes are counted both ways, and a fan-out by its size", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const { counters } = hub;
  const clients = await Promise.all(Array.from({ length: 6 }, () => MemoryClient.open(hub, {})));
  await hub.broadcast("12345");
  assert.equal(counters.sent, 6);
  assert.equal(counters.sentBytes, 6 * 7);
  clients[0]?.send("abc");
  clients[0]?.send(new Uint8Array(10));
  await handled(hub, 2);
  assert.equal(counters.received, 2);
  assert.equal(counters.receivedBytes, 13);
  assert.equal(counters.fanOuts.counts[SIZES.indexOf(16)], 1);
  assert.equal(counters.fanOuts.sum, 6);
});

test("sends are counted by verb and result, those of a client too", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const { sends } = hub.counters;
  await MemoryClient.open(hub, { id: "alice" });
  await hub.emit("alice", "hi");
  await hub.emit("nobody", "hi");
  await hub.emit("alice", 5 as never).catch(() => {});
  await hub.client("alice")?.emit("hi");
  await hub.request("alice", "hi").catch(() => {});
  await hub.user("alice").emit("hi");
  await until("the count", () => sends["user_emit"]?.["ok"] === 1);
  assert.deepEqual(sends, {
    emit: { ok: 2, missed: 1, invalid_argument: 1 },
    request: { failed_precondition: 1 },
    user_emit: { ok: 1 },
  });
});

test("a client that goes away, comes back and is lost is counted", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const { counters } = hub;
  const first = await V1Client.open(hub, { id: "me" });
  first.socket.terminate();
  await until("the count", () => counters.awayNow === 1);
  const second = await V1Client.open(hub, { id: "me" }, `0.${first.hello.token}`);
  assert.equal(counters.awayNow, 0);
  second.socket.terminate();
  await until("the count", () => counters.awayNow === 1);
  await V1Client.open(hub, { id: "me" }, "0.wrong");
  await until("the count", () => counters.awayNow === 0);
  assert.deepEqual([counters.aways, counters.lost, counters.resumes], [2, { replaced: 1 }, { resumed: 1, token: 1 }]);
});

test("handlers are timed, and their errors counted", async () => {
  await using hub = new Hub({ logger: silentLogger, handlerError: "report" });
  const { counters } = hub;
  const { promise: slow, resolve } = Promise.withResolvers<void>();
  const client = await MemoryClient.open(hub, {
    onEvent(_, message) {
      if (message === "slow") return slow;
      if (message === "bad") throw new Error("bad");
      return undefined;
    },
  });
  for (let count = 0; count < 16; count++) client.send("quick");
  await handled(hub, 16);
  assert.equal(counters.eventSeconds.counts.reduce((sum, count) => sum + count), 16);
  client.send("slow");
  client.send("bad");
  await handled(hub, 17);
  await new Promise((resolved) => setTimeout(resolved, 60));
  resolve();
  await until("the count", () => counters.handlerErrors["onEvent"] === 1);
  assert.equal(counters.eventSeconds.counts.reduce((sum, count) => sum + count), 17);
  assert.ok(counters.eventSeconds.sum > 0.05, `${counters.eventSeconds.sum} s`);
});

test("a message that does not fit a full buffer is counted as dropped, and the fill of the buffer is seen", async () => {
  await using hub = new Hub({ logger: silentLogger, slowConsumer: "drop", limits: { maxBufferedBytes: 1_000 } });
  const client = await MemoryClient.open(hub, { id: "slow" });
  client.socket.stall();
  assert.equal(await hub.emit("slow", new Uint8Array(900)), true);
  assert.equal(await hub.emit("slow", new Uint8Array(900)), false);
  assert.equal(hub.counters.dropped, 1);
  assert.equal(hub.counters.buffers.sum, 0.9);
});

test("cluster: links, routes, storage calls and the lease are counted", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  const { counters } = a.hub;
  await b.connect("alice");
  for (let count = 0; count < 3; count++) assert.equal(await a.hub.emit("alice", "hi"), true);
  assert.deepEqual([counters.nodesNow, counters.routeLookUps, counters.routeHits, counters.routesNow], [1, 1, 2, 1]);
  assert.equal(counters.linksNow, 1);
  assert.deepEqual([counters.linkCallsNow, counters.linkBytesNow], [0, 0]);
  assert.ok(counters.linkSeconds.counts.reduce((sum, count) => sum + count) >= 3);
  assert.equal(counters.storage["get"]?.["ok"], 1);
  assert.equal(b.hub.counters.storage["set"]?.["ok"], 1);
  const left = (counters.leaseEndsAtMs ?? 0) - performance.now();
  assert.ok(left > 0 && left <= a.hub.leaseMs, `${left} ms`);
  cluster.cut(b.host);
  await until("the count", () => counters.linksNow === 0);
  assert.equal(await a.hub.emit("alice", "hi"), true);
  assert.deepEqual([counters.linksNow, counters.linkOpens], [1, 2]);
  cluster.storageDown = true;
  await a.hub.emit("nobody", "hi").catch(() => {});
  assert.equal(counters.storage["get"]?.["unavailable"], 1);
});

test("histograms of several nodes add up, and a value on a bound belongs below it", () => {
  const histogram = new Histogram([1, 10]);
  for (const value of [0, 1, 1.5, 10, 11]) histogram.add(value);
  histogram.add(5, 16);
  assert.deepEqual([histogram.counts, histogram.sum], [[2, 18, 1], 103.5]);
});
