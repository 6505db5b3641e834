import type { CatchUpStore } from "./catch-up-store.ts";
import type { ChaosFault } from "./chaos-faults.ts";

/** The faults of the Redis that keeps the history of topics, and of the ways to it. */
export function storeFaults(store: CatchUpStore): ChaosFault[] {
  return [
    { name: "the history wiped", run: () => store.forget() },
    { name: "the history restarted, empty", run: () => store.restart() },
    { name: "the history failed over", run: () => store.failOver({}) },
    {
      name: "the history failed over, without its newest messages",
      run: ({ random }) => store.failOver({ behindMs: 100 + random.below(400) }),
    },
    {
      name: "the history failed over, noticed late by some",
      run: ({ random }) => store.failOver({ lateMs: 100 + random.below(600) }),
    },
    {
      name: "a history that stands still",
      async run({ random }) {
        store.stand();
        await sleep(200 + random.below(2_500));
        store.go();
      },
    },
    {
      name: "a node without the history",
      async run({ random }) {
        const way = random.pick(store.ways);
        way.refuse(true);
        way.cut();
        await sleep(200 + random.below(2_500));
        way.refuse(false);
      },
    },
    {
      name: "answers of the history lost",
      async run({ random }) {
        const way = random.pick(store.ways);
        for (let times = 0; times < 4; times++) {
          way.shape({ swallow: true }, ["back"]);
          await sleep(50 + random.below(100));
          way.shape({}, ["back"]);
          way.cut();
          await sleep(100);
        }
      },
    },
    {
      name: "a late history",
      async run({ random }) {
        const way = random.pick(store.ways);
        way.shape({ latencyMs: 20 + random.below(150) });
        await sleep(1_500);
        way.resume();
      },
    },
  ];
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
