import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseCode, shouldReconnect } from "../../src/base/close-code.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { Heartbeat } from "../../src/client/heartbeat.ts";
import { type Limits, mergeLimits } from "../../src/base/limits.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { Liveness, type Verdict } from "../../src/client/liveness.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryClient } from "../kit/memory-client.ts";

/** One connection with a clock of its own, and what became of it. */
class Patient {
  readonly liveness: Liveness;
  readonly #wheel: Heartbeat;
  pings = 0;
  ended: { readonly at: number; readonly verdict: Verdict } | undefined;
  bufferedAmount = 0;
  /** Whether the engine can ping. */
  readonly pingable: boolean;
  /** What it does when it is pinged. */
  onPing: (now: number) => void = () => {};
  #now = 1_000;

  constructor(limits: Partial<Limits>, pingable = true) {
    this.pingable = pingable;
    this.liveness = new Liveness(mergeLimits(limits), this.#now);
    this.#wheel = new Heartbeat(mergeLimits(limits));
    this.#wheel.add(this, this.#now);
  }

  beat(now: number): number {
    const ping = (): void => {
      this.pings++;
      this.onPing(now);
    };
    const socket = { bufferedAmount: this.bufferedAmount, ...(this.pingable && { ping }) };
    const next = this.liveness.beat(now, socket);
    if (typeof next === "number") return next;
    this.ended = { at: now - 1_000, verdict: next };
    this.#wheel.delete(this);
    return Infinity;
  }

  /** Lets time pass in small steps, as the timer does. */
  live(ms: number, each: (now: number) => void = () => {}): this {
    for (const end = this.#now + ms; this.#now < end && !this.ended;) {
      this.#now += 100;
      each(this.#now);
      this.#wheel.turn(this.#now);
    }
    this.#wheel.delete(this);
    return this;
  }

  /** Time in which the process stood still. */
  skip(ms: number): this {
    this.#now += ms;
    this.#wheel.turn(this.#now);
    return this;
  }
}

test("a dead peer is noticed within ping and pong time, whatever the jitter", () => {
  for (let round = 0; round < 50; round++) {
    const dead = new Patient({}).live(60_000);
    assert.equal(dead.ended?.verdict.code, 1006);
    assert.ok(dead.ended.at <= 35_000, `${dead.ended.at}`);
    assert.ok(dead.ended.at >= 25_000, `${dead.ended.at}`);
    assert.equal(dead.pings, 1);
  }
});

test("a peer that answers pings lives on, and is not pinged more often than it has to be", () => {
  const patient = new Patient({});
  patient.onPing = (now) => patient.liveness.control(now + 50);
  patient.live(600_000);
  assert.equal(patient.ended, undefined);
  assert.ok(patient.pings >= 24 && patient.pings <= 35, `${patient.pings}`);
});

test("a peer that sends is not pinged at all", () => {
  const patient = new Patient({});
  patient.live(300_000, (now) => patient.liveness.message(now));
  assert.equal(patient.pings, 0);
});

test("a peer that is still reading what it was sent before the ping is not dead", () => {
  const patient = new Patient({});
  patient.bufferedAmount = 1_000_000;
  patient.live(100_000, () => (patient.bufferedAmount -= 100));
  assert.equal(patient.ended, undefined);
  const stuck = new Patient({});
  stuck.bufferedAmount = 1_000_000;
  assert.equal(stuck.live(60_000).ended?.verdict.code, 1006);
});

test("a peer that cannot be pinged is dead only if it takes nothing of what is held for it", () => {
  const silent = new Patient({}, false);
  assert.equal(silent.live(600_000).ended, undefined);
  const reading = new Patient({}, false);
  reading.bufferedAmount = 1_000_000;
  assert.equal(reading.live(100_000, () => (reading.bufferedAmount -= 100)).ended, undefined);
  const stuck = new Patient({}, false);
  stuck.bufferedAmount = 1_000_000;
  stuck.live(60_000);
  assert.equal(stuck.ended?.verdict.code, 1006);
  assert.ok(stuck.ended.at <= 35_000, `${stuck.ended.at}`);
});

test("a process that stood still judges nobody by what it could not hear", () => {
  const patient = new Patient({});
  patient.live(0).skip(0);
  const sleeper = new Patient({}).skip(120_000);
  assert.equal(sleeper.ended, undefined);
  assert.equal(sleeper.live(60_000).ended?.verdict.code, 1006);
});

test("who is idle or has lasted its time is told so, with codes that say whether to come back", () => {
  const idle = new Patient({ idleTimeoutMs: 30_000, pingMs: Infinity }).live(60_000);
  assert.equal(idle.ended?.verdict.code, CloseCode.IdleTimeout);
  assert.ok(idle.ended.at >= 30_000 && idle.ended.at < 32_000);
  const expired = new Patient({ lifetimeMs: 40_000 });
  expired.onPing = (now) => expired.liveness.control(now + 1);
  expired.live(80_000);
  assert.equal(expired.ended?.verdict.code, CloseCode.LifetimeOver);
});

test("without a limit that can come due there is no timer", () => {
  const patient = new Patient({ pingMs: Infinity });
  assert.equal(patient.liveness.slot, -1);
});

test("every close code says whether to come back", () => {
  const back = Object.values(CloseCode).filter(shouldReconnect);
  assert.deepEqual(back, [1001, 1006, 1011, 1012, 1013, 4001, 4008, 4010]);
});

async function connected(
  options: HubOptions,
  session: Session,
  run: (client: MemoryClient, hub: Hub) => Promise<void>,
): Promise<void> {
  await using hub = new Hub({ logger: silentLogger, ...options });
  await run(await MemoryClient.open(hub, { id: "me", ...session }), hub);
}

test("a client that sends faster than its rate is closed with 1008, and what it sent before was handled", () => {
  let handled = 0;
  const options: HubOptions = { limits: { messagesPerSecond: 1, messageBurst: 5 } };
  return connected(options, { onEvent: () => handled++ }, async (client) => {
    for (let sent = 0; sent < 10; sent++) client.socket.send("x");
    assert.deepEqual(await client.closed(), { code: 1008, reason: "sends too fast" });
    assert.equal(handled, 5);
  });
});

test("with the policy to drop, a slow client stays, misses messages, and the sender is told", () => {
  const options: HubOptions = { slowConsumer: "drop", limits: { maxBufferedBytes: 1_000 } };
  return connected(options, {}, async (client, hub) => {
    client.socket.stall();
    const message = "x".repeat(400);
    const deliveries = [];
    for (let sent = 0; sent < 5; sent++) deliveries.push(await hub.broadcast(message));
    assert.deepEqual(deliveries.map(({ dropped }) => dropped), [0, 0, 1, 1, 1]);
    assert.equal(await hub.online("me"), true);
    client.socket.unstall();
    assert.equal(await client.next(), message);
    assert.equal(await client.next(), message);
    assert.equal(await hub.emit("me", "back"), true);
    assert.equal(await client.next(), "back");
  });
});
