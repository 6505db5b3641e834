/** Work for thousands of clients that come at once is spread over turns of the event loop. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { afterTick } from "../../src/base/tick.ts";
import { Acks, Turns } from "../../src/client/resume/turns.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import { Appends, ByteBudget } from "../../src/hub/history/appends.ts";
import { ReplayPace } from "../../src/hub/history/replay-pace.ts";
import { until } from "../kit/until.ts";

/** Notes in which turn of the event loop things happen. */
class TurnLog {
  readonly turns: number[] = [];
  #turn = 0;
  #ended = false;

  constructor() {
    const next = (): void => {
      this.#turn++;
      if (!this.#ended) afterTick(next);
    };
    afterTick(next);
  }

  note(): void {
    this.turns.push(this.#turn);
  }

  /** How many happened in the fullest turn. */
  end(): number {
    this.#ended = true;
    return Math.max(...Map.groupBy(this.turns, (turn) => turn).values().map(({ length }) => length));
  }
}

test("calls that come at once run a few in each turn and in their order, and one alone runs at once", async () => {
  const turns = new Turns();
  const log = new TurnLog();
  const order: number[] = [];
  const indexes = Array.from({ length: 1_000 }, (_, index) => index);
  assert.equal(turns.take(), undefined);
  for (const index of indexes) {
    void (turns.take() ?? Promise.resolve()).then(() => {
      order.push(index);
      log.note();
    });
  }
  await until("all to run", () => order.length === indexes.length);
  assert.deepEqual(order, indexes);
  assert.ok(log.end() <= 256, `${log.end()} in one turn`);
});

test("clients that are due at once are acknowledged a few in each turn, each once", async () => {
  const acks = new Acks();
  const log = new TurnLog();
  for (let index = 0; index < 2_000; index++) acks.soon({ ackDue: false, acknowledge: () => log.note() });
  await until("all to be acknowledged", () => log.turns.length === 2_000);
  assert.ok(log.end() <= 256, `${log.end()} in one turn`);
});

test("replays get fewer bytes in a turn when turns take long, and all of them in the end", async () => {
  const granted = async (workMs: number): Promise<number> => {
    const pace = new ReplayPace(64 * 1_048_576);
    const log = new TurnLog();
    await Promise.all(Array.from({ length: 400 }, async () => {
      await pace.take(16_384);
      log.note();
      const endMs = performance.now() + workMs;
      while (performance.now() < endMs);
      pace.give(16_384);
    }));
    assert.equal(log.turns.length, 400);
    return log.end();
  };
  const [fast, slow] = [await granted(0), await granted(2)];
  assert.ok(slow < fast / 2, `${slow} in a turn, and ${fast} if it is fast`);
});

test("messages of one call to the history are handed on over several turns in their order, while the next call is made", async () => {
  const history = new MemoryHistory();
  const counts: number[] = [];
  const append = history.append.bind(history);
  const order: number[] = [];
  let orderAtSecond = 0;
  history.append = async (topic, messages, window) => {
    counts.push(messages.length);
    if (counts.length === 2) orderAtSecond = order.length;
    return await append(topic, messages, window);
  };
  const idle = Promise.withResolvers<void>();
  const appends = new Appends("room", { messages: 2_000, ms: 60_000, bytes: 1_000_000 }, {
    store: history,
    budget: new ByteBudget(Infinity),
    doubt() {},
    idle: () => idle.resolve(),
  });
  const log = new TurnLog();
  const add = (): void => {
    const message = { data: "x", bytes: 1, deadlineMs: Infinity, signal: undefined };
    void appends.add(message, async ({ position }) => {
      order.push(position.offset);
      log.note();
      if (order.length === 1) { for (let index = 0; index < 10; index++) add(); }
    });
  };
  for (let index = 0; index < 1_000; index++) add();
  await idle.promise;
  assert.deepEqual(counts, [1_000, 10]);
  assert.deepEqual(order, Array.from({ length: 1_010 }, (_, index) => index + 1));
  assert.ok(orderAtSecond < 1_000, `the second call waited for ${orderAtSecond} messages`);
  assert.ok(log.end() <= 512, `${log.end()} in one turn`);
});
