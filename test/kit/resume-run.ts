import type { Delivery } from "../../src/send/verbs.ts";
import { ChaosCluster, type Seat } from "./chaos-cluster.ts";
import { FAULTS } from "./chaos-faults.ts";
import type { StoreName } from "./chaos-store.ts";
import { frontFaults } from "./client-fronts.ts";
import type { Defect, Outcome, VerbCall } from "./node-control.ts";
import type { NodeProcess } from "./node-process.ts";
import { Random } from "./random.ts";
import { areApart, isAccepted, type NodeSend, ResumeHistory, type ResumeVerdict } from "./resume-check.ts";
import { ResumeClients, TOPIC } from "./resume-clients.ts";

/** A run to make. */
export interface ResumeRunOptions {
  readonly store: StoreName;
  readonly seed: number;
  readonly clients: number;
  /** How long random faults happen. */
  readonly forMs?: number;
  readonly defect?: Defect;
  /** The only faults that happen, by name. Default: all. */
  readonly faults?: readonly string[];
  /** Done to the nodes instead of random faults for `forMs`. */
  readonly act?: (cluster: ChaosCluster, clients: ResumeClients) => Promise<void>;
  /** Milliseconds between two bursts of each client, and between two sends of each node. Default 600 and 60. */
  readonly clientMs?: number;
  /** Default: that of {@link ChaosCluster}. */
  readonly leaseMs?: number;
  readonly nodeMs?: number;
  readonly log?: (line: string) => void;
}

/** Those after which a publish may miss a node without a word have no place here: the storage that forgets. */
const NODE_FAULTS = FAULTS.filter(({ name }) => !/wipe|lost|clients/.test(name));

const EMITS = 20;
/** Within it all clients are connected after the last fault, each to one node. */
const COMPLETE_MS = 30_000;

/**
 * Three nodes on the three runtimes, clients of the client package that resume, messages in both directions, and faults that
 * the seed chooses: on nodes, on the storage, on the lines between nodes, and on the clients' connections.
 */
export async function resumeRun(options: ResumeRunOptions): Promise<ResumeVerdict & { faults: readonly string[] }> {
  const { store, seed, clients: count, defect, leaseMs } = options;
  const random = new Random(seed);
  const history = new ResumeHistory();
  const faults: string[] = [];
  await using cluster = await ChaosCluster.start({ store, defect, ...(leaseMs && { leaseMs }) });
  const clients = new ResumeClients(cluster, history, random, count);
  const heard = new Set<NodeProcess>();
  const read = (): void => readEvents(cluster, history, heard);
  const reading = setInterval(read, 50);
  try {
    await clients.start(options.clientMs ?? 600);
    await untilComplete(clients, history, cluster);
    const stop = sendFromAll(cluster, clients.ids, history, options.nodeMs ?? 60);
    if (options.act) await options.act(cluster, clients);
    else await strike(options, { cluster, clients, random, faults });
    clients.heal();
    try {
      await untilComplete(clients, history, cluster);
    } finally {
      await stop();
    }
    await clients.confirmed();
    // The last word of each node: whatever it sent before must be there.
    for (const seat of cluster.seats) await send(seat, clients.ids.map((id) => ["emit", id]), history);
    await new Promise((resolve) => setTimeout(resolve, 500));
    read();
    return { ...history.verdict(true), faults };
  } finally {
    clearInterval(reading);
    await clients.stop();
  }
}

/** Random faults, one after the other. */
async function strike({ faults: wanted, forMs = 0, log }: ResumeRunOptions, scene: Struck): Promise<void> {
  const { cluster, clients, random, faults } = scene;
  const survivor = random.pick(cluster.seats);
  const chosen = [...NODE_FAULTS, ...frontFaults({ any: () => clients.front() })].filter(({ name }) =>
    wanted?.includes(name) ?? true
  );
  const nobody = { ids: clients.ids, leave() {}, doubleUp: () => Promise.resolve() };
  const endsAtMs = performance.now() + forMs;
  while (performance.now() < endsAtMs) {
    const fault = random.pick(chosen);
    faults.push(fault.name);
    log?.(fault.name);
    await fault.run({ cluster, clients: nobody, random, survivor });
    await new Promise((resolve) => setTimeout(resolve, random.below(800)));
  }
}

/** The scene of {@link strike}, which adds the faults that happened. */
interface Struck {
  readonly cluster: ChaosCluster;
  readonly clients: ResumeClients;
  readonly random: Random;
  readonly faults: string[];
}

async function untilComplete(clients: ResumeClients, history: ResumeHistory, cluster: ChaosCluster): Promise<void> {
  const untilMs = performance.now() + COMPLETE_MS;
  while (!clients.complete || !(await isSettled(cluster))) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (performance.now() < untilMs) continue;
    const nodes = await Promise.all(cluster.seats.map(({ node }) => node.status().catch(String)));
    const why = [
      ...clients.incomplete.slice(0, 5),
      ...history.verdict(false).broken.slice(0, 5),
      JSON.stringify(nodes),
    ];
    throw new Error(`not every client is connected, or one is on two nodes: ${why.join("; ")}`);
  }
}

/** Whether every node answers, and no client is on two of them. Before that, a node may hold messages that it gives back later. */
async function isSettled(cluster: ChaosCluster): Promise<boolean> {
  const all = await Promise.all(cluster.seats.map(({ node }) => node.status().catch(() => undefined)));
  const ids = all.flatMap((status) => status?.ids ?? []);
  return all.every(Boolean) && areApart(ids);
}

/** Notes what the nodes handled; of nodes that were killed, too. */
function readEvents(cluster: ChaosCluster, history: ResumeHistory, heard: Set<NodeProcess>): void {
  for (const { node } of cluster.seats) heard.add(node);
  for (const node of heard) {
    for (const event of node.events.splice(0)) {
      if (event.type === "event") history.handled(String(event.message));
      else if (event.type === "lost") {
        history.note(event.id, `given up by ${node.runtime} ${node.pid} with ${event.undelivered.length}`);
        for (const one of event.undelivered) history.givenBack(event.id, String(one));
      }
    }
  }
}

let sends = 0;

/** Sends from every node, one batch after the other, until told to stop: now to some, now to all. */
function sendFromAll(
  cluster: ChaosCluster,
  ids: readonly string[],
  history: ResumeHistory,
  everyMs: number,
): () => Promise<void> {
  let going = true;
  const rounds = cluster.seats.map(async (seat, index) => {
    for (let round = index; going; round++) {
      const some = Array.from({ length: EMITS }, (_, at) => ids[(round * EMITS + at) % ids.length] ?? "");
      const unique = [...new Set(some)];
      if (round % 3 === 0) await send(seat, [["publish"]], history, ids.length);
      else if (round % 3 === 1) await send(seat, [["broadcast"]], history, ids.length);
      else await send(seat, unique.map((id) => ["emit", id]), history);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  });
  return async () => {
    going = false;
    await Promise.all(rounds);
  };
}

type Wish = readonly ["emit", string] | readonly ["publish"] | readonly ["broadcast"];

async function send({ node }: Seat, wishes: readonly Wish[], history: ResumeHistory, all = 0): Promise<void> {
  const logs = wishes.map(([, id]): NodeSend => {
    const number = ++sends;
    const message = `${number % 4 === 0 ? "~~" : ""}down ${node.runtime} ${node.pid} ${number}`;
    const [sender, startedAt, sentAtMs] = [`${node.runtime} ${node.pid}`, history.tick(), Date.now()];
    return { message, sender, number, id, startedAt, sentAtMs, accepted: false };
  });
  history.sendsOfNodes.push(...logs);
  const calls = wishes.map(([verb, id = ""], index): VerbCall => {
    const { message = "" } = logs[index] ?? {};
    if (verb === "emit") return ["emit", id, message];
    return verb === "publish" ? ["publish", TOPIC, message] : ["broadcast", message];
  });
  const outcomes: readonly (Outcome | undefined)[] = await node.callAll(calls).catch(() => []);
  for (const [index, log] of logs.entries()) {
    const outcome = outcomes[index];
    Object.assign(log, {
      outcome: JSON.stringify(outcome),
      answeredAtMs: Date.now(),
      accepted: outcome !== undefined && "value" in outcome && isAccepted(outcome.value as boolean | Delivery, all),
    });
  }
}
