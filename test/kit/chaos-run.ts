import { ChaosClients } from "./chaos-clients.ts";
import { ChaosCluster, type Seat } from "./chaos-cluster.ts";
import { FAULTS } from "./chaos-faults.ts";
import type { StoreName } from "./chaos-store.ts";
import { checkEmits, EmitHistory, type SendLog, type Verdict } from "./emit-history.ts";
import type { Defect, Outcome } from "./node-control.ts";
import { Random } from "./random.ts";
import { notGivenBack, type Resources, resourcesOf } from "./resources.ts";
import { until } from "./until.ts";

/** What run to make. */
export interface ChaosRunOptions {
  readonly store: StoreName;
  /** Of the order of faults; times are the machine's own. */
  readonly seed: number;
  readonly clients: number;
  /** After this long no new round of faults begins. */
  readonly forMs: number;
  readonly defect?: Defect;
  /** The only faults that happen, by name. Default: all. */
  readonly faults?: readonly string[];
  readonly log?: (line: string) => void;
}

/** What a run came to. */
export interface ChaosResult extends Verdict {
  readonly faults: readonly string[];
  /** What the node that lived through the run held before its clients, after the first round with them, and after them. */
  readonly start: Resources;
  readonly warm: Resources | undefined;
  readonly end: Resources;
}

const SENDS_PER_ROUND = 20;
const FAULTS_PER_ROUND = 3;

/**
 * Three nodes on the three runtimes, clients that come back, senders on every node, and faults that the seed chooses.
 *
 * After every few faults all is left to heal; then every client must be online and reached from every node. At the end
 * everybody leaves, and nothing may be left in a node or in the storage.
 */
export async function chaosRun(options: ChaosRunOptions): Promise<ChaosResult> {
  const { store, seed, clients: count, forMs, defect, log = () => {} } = options;
  const random = new Random(seed);
  const history = new EmitHistory();
  const faults: string[] = [];
  const problems: string[] = [];
  await using cluster = await ChaosCluster.start({ store, defect });
  const survivor = random.pick(cluster.seats);
  const { node: { pid } } = survivor;
  const start = resourcesOf(pid);
  const clients = new ChaosClients(cluster, history, random, count);
  await clients.start();
  let warm: Resources | undefined;
  const endsAtMs = performance.now() + forMs;
  const chosen = FAULTS.filter(({ name }) => options.faults?.includes(name) ?? true);
  while (performance.now() < endsAtMs) {
    const stop = sendFromAll(cluster, clients, history, seed);
    for (let index = 0; index < FAULTS_PER_ROUND; index++) {
      const fault = random.pick(chosen);
      faults.push(fault.name);
      log(fault.name);
      await fault.run({ cluster, clients, random, survivor });
    }
    await stop();
    problems.push(...await quiet(cluster, clients, history));
    warm ??= resourcesOf(pid);
    log(`at rest, the ${survivor.runtime} node: ${JSON.stringify(resourcesOf(pid))}`);
  }
  await clients.stop();
  problems.push(...await settled(cluster));
  const end = resourcesOf(pid);
  const kept = warm && notGivenBack(start, warm, end);
  if (kept !== undefined) problems.push(`${kept}, in the ${survivor.runtime} node that lived through the run`);
  const verdict = checkEmits(history);
  return { ...verdict, broken: [...problems, ...verdict.broken], faults, start, warm, end };
}

let sends = 0;

async function send(seat: Seat, ids: readonly string[], history: EmitHistory, seed: number): Promise<SendLog[]> {
  const { node } = seat;
  const logs = ids.map((id): SendLog => {
    const message = `${seed}-${++sends}`;
    return { message, sender: `${node.runtime} ${node.pid}`, id, start: history.tick() };
  });
  history.sends.push(...logs);
  const outcomes: readonly (Outcome | undefined)[] = await node
    .callAll(logs.map(({ id, message }) => ["emit", id, message]))
    .catch(() => []);
  for (const [index, one] of logs.entries()) {
    const outcome = outcomes[index];
    if (outcome) one.outcome = outcome;
  }
  return logs;
}

/** Sends from every node to some ids at a time, each send to an id after the one before; until told to stop. */
export function sendFromAll(
  cluster: ChaosCluster,
  clients: ChaosClients,
  history: EmitHistory,
  seed: number,
): () => Promise<void> {
  let going = true;
  const rounds = cluster.seats.map(async (seat, index) => {
    for (let from = index * SENDS_PER_ROUND; going; from += SENDS_PER_ROUND) {
      const ids = Array.from(
        { length: SENDS_PER_ROUND },
        (_, at) => clients.ids[(from + at) % clients.ids.length] ?? "",
      );
      await send(seat, ids, history, seed);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  return async () => {
    going = false;
    await Promise.all(rounds);
  };
}

/** Lets everything heal; says what is then not as it must be. */
async function quiet(cluster: ChaosCluster, clients: ChaosClients, history: EmitHistory): Promise<string[]> {
  const problems: string[] = [];
  await tell(problems, async () => {
    for (const { node } of cluster.seats) {
      await until(`${node.runtime} to be ready`, async () => (await node.status()).status === "ready");
    }
    await cluster.acquainted();
    await until("every client to be connected", () => clients.complete);
    for (const { node } of cluster.seats) {
      let missing = clients.ids;
      await until(`all to be online from ${node.runtime}, but for ${missing.slice(0, 5).join()}`, async () => {
        const outcomes = await node.callAll(missing.map((id) => ["online", id]));
        missing = missing.filter((_, index) => {
          const outcome = outcomes[index];
          return !(outcome && "value" in outcome && outcome.value === true);
        });
        return missing.length === 0 && clients.complete;
      });
    }
    for (const seat of cluster.seats) {
      const logs = await send(seat, clients.ids, history, 0);
      for (const { id, outcome } of logs) {
        if (outcome && "value" in outcome && outcome.value === true) continue;
        problems.push(`at rest, ${seat.runtime} could not reach ${id}: ${JSON.stringify(outcome)}`);
      }
      const { size } = await seat.node.status();
      if (size > clients.ids.length) problems.push(`${seat.runtime} holds ${size} clients`);
    }
    const holders = (await Promise.all(cluster.seats.map(({ node }) => node.status()))).flatMap(({ ids }) => ids);
    if (holders.length !== clients.ids.length) problems.push(`${holders.length} holders of ${clients.ids.length} ids`);
  });
  return problems;
}

/** Everybody has left: says what is left of them. */
async function settled(cluster: ChaosCluster): Promise<string[]> {
  const problems: string[] = [];
  await tell(problems, async () => {
    for (const { node } of cluster.seats) {
      await until(`${node.runtime} to hold nobody`, async () => (await node.status()).size === 0);
    }
    await until("no id to be left in the storage", async () => !(await cluster.store.content()).includes("client-"));
  });
  return problems;
}

async function tell(problems: string[], check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
}
