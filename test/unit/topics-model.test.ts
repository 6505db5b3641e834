/** Announcements, look-ups, "not here" and withdrawals in every order that chance finds, judged by the history checker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { History } from "../kit/history.ts";
import { brokenPromises } from "../kit/history-check.ts";
import { LateStorage, type ModelNode, modelNodes } from "../kit/topic-model.ts";

const NODES = ["A", "B", "C"];
const CLIENTS = 4;

type Action =
  | { readonly kind: "toggle"; readonly client: number }
  /** So many at once, none of them awaited. */
  | { readonly kind: "publish"; readonly node: number; readonly count: number };

const toggle = fc.nat(CLIENTS - 1).map((client): Action => ({ kind: "toggle", client }));
const publish = fc.tuple(fc.nat(NODES.length - 1), fc.integer({ min: 1, max: 3 }))
  .map(([node, count]): Action => ({ kind: "publish", node, count }));
/** What several actors do at the same time, each one step after the other. */
const actors = fc.array(fc.array(fc.oneof(toggle, publish), { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 5,
});

/** Plays the actors over a storage that loses every `failing`th command; resolves with what the checker found. */
async function play(schedule: fc.Scheduler, plans: readonly Action[][], failing: number): Promise<string[]> {
  const history = new History();
  const storage = new LateStorage((what) => schedule.schedule(Promise.resolve(), what), failing);
  const nodes = await modelNodes(NODES, storage, history, schedule);
  const turns = new Map<number, Promise<unknown>>();
  const listening = new Set<number>();
  let sent = 0;

  /** Steps of one client must not overlap. */
  const toggleNow = async (client: number): Promise<void> => {
    const name = `client ${client}`;
    const node = nodes[client % nodes.length] as ModelNode;
    if (listening.delete(client)) await history.unsubscribe(name, "news", () => node.unsubscribe(name));
    else if (await history.subscribe(name, "news", () => node.subscribe(name))) listening.add(client);
  };
  const act = async (action: Action): Promise<void> => {
    if (action.kind === "publish") {
      const node = nodes[action.node] as ModelNode;
      await Promise.all(Array.from({ length: action.count }, () => {
        const message = `message ${++sent}`;
        return history.publish({ publisher: node.holder.host, topic: "news", message }, () => node.publish(message));
      }));
      return;
    }
    const turn = (turns.get(action.client) ?? Promise.resolve()).then(() => toggleNow(action.client));
    turns.set(action.client, turn);
    await turn;
  };
  const run = async (plan: readonly Action[]): Promise<void> => {
    for (const action of plan) {
      await schedule.schedule(Promise.resolve(), "the next action");
      await act(action);
    }
  };
  await schedule.waitFor(Promise.all(plans.map(run)));
  return brokenPromises(history);
}

test(`topics: in no order of events does anybody miss what is published after their subscribe settled`, async () => {
  const property = fc.asyncProperty(fc.scheduler(), actors, async (schedule, plans) => {
    assert.deepEqual(await play(schedule, plans, 0), []);
  });
  await fc.assert(property, { numRuns: 200 });
});

test(`topics: nor when the storage loses commands and answers`, async () => {
  const property = fc.asyncProperty(
    fc.scheduler(),
    actors,
    fc.integer({ min: 1, max: 4 }),
    async (schedule, plans, failing) => {
      assert.deepEqual(await play(schedule, plans, failing), []);
    },
  );
  await fc.assert(property, { numRuns: 200 });
});
