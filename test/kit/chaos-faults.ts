import type { ChaosClients } from "./chaos-clients.ts";
import { type ChaosCluster, LEASE_MS, type Seat } from "./chaos-cluster.ts";
import type { Random } from "./random.ts";
import type { Direction } from "./tcp-proxy.ts";

/** What a fault may touch. */
export interface FaultScene {
  readonly cluster: ChaosCluster;
  readonly clients: Pick<ChaosClients, "ids" | "leave" | "doubleUp">;
  readonly random: Random;
  /** A seat whose process lives through the run, so that what it does not give back can be told. */
  readonly survivor: Seat;
}

/** One thing that goes wrong, and is over when it resolves. */
export interface ChaosFault {
  readonly name: string;
  run(scene: FaultScene): Promise<void>;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function anySeat({ cluster, random }: FaultScene): Seat {
  return random.pick(cluster.seats);
}

function anyMortal({ cluster, random, survivor }: FaultScene): Seat {
  return random.pick(cluster.others(survivor));
}

function anyWay({ random }: FaultScene): readonly Direction[] {
  return random.pick([["there"], ["back"], ["there", "back"]] as const);
}

async function pauseNode(scene: FaultScene, ms: number): Promise<void> {
  const { node } = anySeat(scene);
  node.signal("SIGSTOP");
  await sleep(ms);
  node.signal("SIGCONT");
}

/** Everything that may go wrong. */
export const FAULTS: readonly ChaosFault[] = [
  {
    name: "kill -9 and a start at the same address",
    run: async (scene) => await scene.cluster.restart(anyMortal(scene)),
  },
  {
    name: "drain and a start at the same address",
    run: async (scene) => await scene.cluster.drain(anyMortal(scene), 300),
  },
  { name: "a pause within the lease", run: (scene) => pauseNode(scene, LEASE_MS / 3) },
  { name: "a pause of twice the lease", run: (scene) => pauseNode(scene, 2 * LEASE_MS) },
  { name: "a wipe", run: async ({ cluster }) => await cluster.store.wipe() },
  {
    name: "a part of the storage lost",
    async run({ cluster, clients, random }) {
      await cluster.store.lose(clients.ids.filter(() => random.below(3) === 0));
      await sleep(200);
    },
  },
  {
    name: "a storage that stands still",
    async run({ cluster, random }) {
      cluster.store.pause();
      await sleep(500 + random.below(LEASE_MS * 1.5));
      cluster.store.resume();
    },
  },
  {
    name: "a node without its storage",
    async run(scene) {
      const { storage } = anySeat(scene);
      storage.refuse(true);
      storage.cut();
      await sleep(500 + scene.random.below(LEASE_MS * 1.5));
      storage.refuse(false);
    },
  },
  {
    name: "lines cut and reset",
    async run(scene) {
      for (let times = 0; times < 10; times++) {
        const { rpc } = anySeat(scene);
        if (scene.random.below(2) === 0) rpc.cut();
        else rpc.reset();
        await sleep(50);
      }
    },
  },
  {
    name: "answers lost",
    async run(scene) {
      const { rpc } = anySeat(scene);
      for (let times = 0; times < 5; times++) {
        rpc.shape({ swallow: true }, ["back"]);
        await sleep(100);
        rpc.shape({}, ["back"]);
        rpc.cut();
        await sleep(100);
      }
    },
  },
  {
    name: "a line held up",
    async run(scene) {
      const { rpc } = anySeat(scene);
      rpc.shape({ hold: true }, anyWay(scene));
      await sleep(500 + scene.random.below(4_000));
      rpc.resume();
    },
  },
  {
    name: "a late, slow and sliced line",
    async run(scene) {
      const { rpc } = anySeat(scene);
      rpc.shape({ latencyMs: scene.random.below(300), sliceBytes: 7 }, anyWay(scene));
      await sleep(1_500);
      rpc.resume();
    },
  },
  {
    name: "half-closed lines",
    async run(scene) {
      anySeat(scene).rpc.halfClose(scene.random.pick(["there", "back"] as const));
      await sleep(200);
    },
  },
  {
    name: "clients that leave and come back",
    async run({ clients, random }) {
      for (const id of clients.ids) if (random.below(4) === 0) clients.leave(id);
      await sleep(200);
    },
  },
  {
    name: "clients that connect twice",
    async run({ clients, random }) {
      await Promise.all(clients.ids.filter(() => random.below(6) === 0).map((id) => clients.doubleUp(id)));
    },
  },
];
