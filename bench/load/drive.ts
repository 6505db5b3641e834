import type { LoadClient } from "./client.ts";
import { clientFrame } from "./frames.ts";
import { Histogram } from "./histogram.ts";
import type { Job, JobResult } from "./job.ts";

/** The measurements of a drive itself. */
export type Driven = Pick<JobResult, "perSecond" | "p50Ms" | "p99Ms" | "kept">;

/** Keeps messages under way and measures their deliveries. */
export interface Drive {
  start(): void;
  received(client: LoadClient, frames: number): void;
  /** Forgets the measurements so far. */
  reset(): void;
  result(ms: number): Driven;
}

/** A sender, and the clients that get each of its messages. */
interface Group {
  readonly sender: LoadClient;
  readonly members: number;
  /** Messages sent and not yet received by all members. */
  readonly outstanding: number;
  sent: number;
  completed: number;
  /** Of each message under way, by its number: how many members have yet to get it, and when it was sent. */
  readonly left: Int32Array;
  readonly sentAt: Float64Array;
}

/** More messages of one group than are ever under way at once. */
const WINDOW = 65_536;

/** The drive for a job's shape. */
export function drive(job: Job, clients: LoadClient[]): Drive {
  const groupOf = new Map<LoadClient, Group>();
  const groups = makeGroups(job, clients, groupMaker(job, groupOf));
  for (const client of clients.slice(clients.length - (job.slow ?? 0))) {
    client.stall();
  }
  return new Groups(groups, groupOf, job.rate);
}

/** JSON as an application sends it: names that repeat, values that do not. */
function json(bytes: number): string {
  const items: object[] = [];
  let seed = 7;
  const random = (): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648);
  for (let text = "";; text = JSON.stringify({ type: "update", items })) {
    if (text.length >= bytes) return text;
    items.push({ id: random().toString(36), user: `user${random() % 1_000}`, price: (random() % 100_000) / 100 });
  }
}

type MakeGroup = (to: string, sender: LoadClient, members: LoadClient[], outstanding: number) => Group;

function groupMaker(job: Job, groupOf: Map<LoadClient, Group>): MakeGroup {
  return (to, sender, members, outstanding) => {
    const text = to +
      (job.deflate === true ? json(job.payloadBytes) : "x".repeat(Math.max(0, job.payloadBytes - to.length)));
    sender.frame = clientFrame(
      job.dialect === "socketio" ? `42["m","${text}"]` : text,
    );
    const slots = job.rate === undefined ? 2 ** Math.ceil(Math.log2(outstanding + 1)) : WINDOW;
    const group: Group = {
      sender,
      members: members.length,
      outstanding,
      sent: 0,
      completed: 0,
      left: new Int32Array(slots),
      sentAt: new Float64Array(slots),
    };
    for (const member of members) groupOf.set(member, group);
    return group;
  };
}

function makeGroups(job: Job, clients: LoadClient[], make: MakeGroup): Group[] {
  const echoes = (some: LoadClient[]): Group[] => some.map((client) => make("e", client, [client], job.outstanding));
  const pairs = (some: LoadClient[], outstanding: number): Group[] =>
    Array.from({ length: Math.floor(some.length / 2) }, (_, pair) => {
      const [from, to] = some.slice(2 * pair, 2 * pair + 2) as [LoadClient, LoadClient];
      return make(`@c${to.index}:`, from, [to], outstanding);
    });
  const topics = (some: LoadClient[]): Group[] => {
    const size = job.perTopic ?? 10;
    return Array.from({ length: Math.floor(some.length / size) }, (_, topic) => {
      const members = some.slice(topic * size, topic * size + size);
      const [sender] = members as [LoadClient];
      return make(`pt${Math.floor(sender.index / size)}:`, sender, members, job.outstanding);
    });
  };
  const [first] = clients;
  if (!first) return [];
  const third = Math.floor(clients.length / 3);
  switch (job.shape) {
    case "echo":
      return echoes(clients);
    case "pairs":
      return pairs(clients, Math.max(1, Math.round(job.outstanding / Math.floor(clients.length / 2))));
    case "topics":
      return topics(clients);
    case "traffic":
      return [
        ...echoes(clients.slice(0, third)),
        ...pairs(clients.slice(third, 2 * third), job.outstanding),
        ...topics(clients.slice(2 * third)),
      ];
    default: {
      const reading = clients.slice(0, clients.length - (job.slow ?? 0));
      return [make("b", first, reading, job.outstanding)];
    }
  }
}

class Groups implements Drive {
  readonly #groups: Group[];
  readonly #groupOf: Map<LoadClient, Group>;
  readonly #rate: number | undefined;
  readonly #latency = new Histogram();
  #deliveries = 0;
  #startedAt = 0;
  #paced = 0;

  constructor(
    groups: Group[],
    groupOf: Map<LoadClient, Group>,
    rate: number | undefined,
  ) {
    this.#groups = groups;
    this.#groupOf = groupOf;
    this.#rate = rate;
  }

  start(): void {
    if (this.#rate === undefined) {
      for (const group of this.#groups) send(group, group.outstanding);
    } else this.#pace(this.#rate);
  }

  received(client: LoadClient, frames: number): void {
    const group = this.#groupOf.get(client);
    if (!group) return;
    this.#deliveries += frames;
    const mask = group.left.length - 1;
    const now = performance.now();
    let completed = 0;
    for (
      let number = client.received - frames;
      number < client.received;
      number++
    ) {
      const slot = number & mask;
      const left = (group.left[slot] ?? 0) - 1;
      group.left[slot] = left;
      if (this.#rate !== undefined || left === 0) {
        this.#latency.add(now - (group.sentAt[slot] ?? now), 1);
      }
      if (left === 0) completed++;
    }
    group.completed += completed;
    if (completed > 0 && this.#rate === undefined) send(group, completed);
  }

  reset(): void {
    this.#deliveries = 0;
    this.#latency.clear();
    this.#startedAt = performance.now();
    this.#paced = 0;
  }

  result(ms: number): Driven {
    const perSecond = this.#deliveries / (ms / 1000);
    const members = this.#groups[0]?.members ?? 1;
    const kept = this.#rate === undefined ? 1 : perSecond / (this.#rate * members);
    return {
      perSecond,
      p50Ms: this.#latency.quantile(0.5),
      p99Ms: this.#latency.quantile(0.99),
      kept,
    };
  }

  #pace(rate: number): void {
    const [group] = this.#groups;
    if (!group) return;
    this.#startedAt = performance.now();
    setInterval(() => {
      const due = Math.floor(((performance.now() - this.#startedAt) / 1000) * rate) -
        this.#paced;
      if (due <= 0 || group.sent - group.completed >= WINDOW - 1_024) return;
      this.#paced += due;
      send(group, due);
    }, 1);
  }
}

function send(group: Group, times: number): void {
  const now = performance.now();
  const mask = group.left.length - 1;
  for (let time = 0; time < times; time++) {
    const slot = group.sent++ & mask;
    group.left[slot] = group.members;
    group.sentAt[slot] = now;
  }
  group.sender.send(times);
}
