/** Guarantee 11 under random faults: what a listener gets has no hole that it was not told of, nothing twice, and one order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { longRun, Random, runSeed } from "../kit/random.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

const TOPICS: HubOptions["topics"] = [{ match: "room:*", history: { messages: 100_000 } }];
const MS = longRun ? 60_000 : 3_000;

/** A history that can be made to fail. */
class FaultyHistory extends MemoryHistory {
  down = false;

  override append(...args: Parameters<MemoryHistory["append"]>): ReturnType<MemoryHistory["append"]> {
    return this.down ? failed() : super.append(...args);
  }

  override read(...args: Parameters<MemoryHistory["read"]>): ReturnType<MemoryHistory["read"]> {
    return this.down ? failed() : super.read(...args);
  }

  override position(...args: Parameters<MemoryHistory["position"]>): ReturnType<MemoryHistory["position"]> {
    return this.down ? failed() : super.position(...args);
  }
}

function failed(): Promise<never> {
  return Promise.reject(new MeshError("unavailable", "the history is down"));
}

/** A client that checks what it hears. */
class Listener {
  readonly faults: string[] = [];
  place: { epoch?: string; offset?: number } = {};
  gaps = 0;
  count = 0;

  static async open({ hub }: MemoryNode, id: string): Promise<Listener> {
    const client = await V1Client.open(hub, { id, onSubscribe: () => true });
    const listener = new Listener();
    client.send('~subscribe 1 {"topic":"room:1"}');
    void listener.#read(client);
    await until("the subscription", () => listener.place.epoch !== undefined);
    return listener;
  }

  async #read(client: V1Client): Promise<void> {
    for (;;) {
      const line = await client.next().catch(() => undefined);
      if (line === undefined) return;
      this.#hear(String(line));
    }
  }

  #hear(line: string): void {
    const [, name = "", json = "{}"] = /^~(\w+) (?:\d+ )?(\{[^\n]*\})/.exec(line) ?? [];
    const { epoch, offset } = JSON.parse(json) as { epoch?: string; offset?: number };
    if (name === "subscribed" && this.count > 0) return;
    if (name === "gap") this.gaps++;
    if (name === "message") {
      this.count++;
      const { epoch: last, offset: before = 0 } = this.place;
      if (last !== undefined && (epoch !== last || offset !== before + 1)) {
        this.faults.push(`${epoch}/${offset} after ${last}/${before}`);
      }
    }
    if (epoch !== undefined) this.place = { epoch, offset };
  }
}

async function publish(node: MemoryNode, random: Random, going: () => boolean): Promise<void> {
  while (going()) {
    const calls = Array.from({ length: 1 + random.below(5) }, () => node.hub.publish("room:1", node.host));
    await Promise.allSettled(calls);
    await new Promise((resolve) => setTimeout(resolve, random.below(5)));
  }
}

/** Does one fault, for a short time. */
async function fault(cluster: MemoryCluster, history: FaultyHistory, random: Random): Promise<void> {
  const { host } = random.pick(cluster.nodes);
  const ms = 20 + random.below(300);
  const kind = random.below(5);
  if (kind === 0) cluster.cut(host);
  if (kind === 1) history.wipe();
  const end = kind === 2
    ? cluster.lose(host)
    : kind === 3
    ? cluster.pause(host)
    : (): void => void (history.down = false);
  if (kind === 4) history.down = true;
  await new Promise((resolve) => setTimeout(resolve, ms));
  end();
}

test("under random faults no listener has a hole that it was not told of, a message twice, or another order", async (t) => {
  t.diagnostic(`seed ${runSeed}`);
  const random = new Random(runSeed);
  const history = new FaultyHistory();
  await using cluster = new MemoryCluster();
  // The listeners answer no pings.
  const limits = { timeoutMs: 250, pingMs: Infinity };
  const nodes = await threeNodes(cluster, { topics: TOPICS, history, limits, leaseMs: 5_000 });
  const listeners = await Promise.all([0, 1, 2, 3, 4, 5].map((n) => Listener.open(nodes[n % 3] ?? nodes[0], `l${n}`)));
  const endMs = performance.now() + MS;
  const going = (): boolean => performance.now() < endMs;
  const publishing = nodes.map((node) => publish(node, random, going));
  while (going()) await fault(cluster, history, random);
  await Promise.all(publishing);
  history.down = false;
  await until("all listeners to have the end", async () => {
    const [sent] = await Promise.allSettled([nodes[0].hub.publish("room:1", "end")]);
    const end = await history.position("room:1");
    return sent.status === "fulfilled" &&
      listeners.every(({ place }) => place.epoch === end.epoch && place.offset === end.offset);
  });
  t.diagnostic(JSON.stringify(listeners.map(({ count, gaps }) => ({ count, gaps }))));
  for (const { faults } of listeners) assert.deepEqual(faults, []);
});
