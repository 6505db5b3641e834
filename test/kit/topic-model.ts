/** Interest and audience of several nodes over a storage and links whose every step waits for its turn. */
import type { Scheduler } from "fast-check";
import { Audience } from "../../src/cluster/topics/audience.ts";
import { MeshError } from "../../src/base/error.ts";
import { Interest } from "../../src/cluster/topics/interest.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Holder, Storage } from "../../src/storage/storage.ts";
import type { Delivery } from "../../src/send/verbs.ts";
import type { History } from "./history.ts";

export const TOPIC = "news";

/** Waits until the scheduler takes the step. */
export type Step = (what: string) => Promise<void>;

/** A storage whose commands arrive, and whose answers come, in any order; every `failing`th command is lost on its way back or forth. */
export class LateStorage extends MemoryStorage {
  readonly #step: Step;
  readonly #failing: number;
  #commands = 0;

  constructor(step: Step, failing: number) {
    super({ now: () => 0 });
    this.#step = step;
    this.#failing = failing;
  }

  override subscribe(topic: string, holder: Holder): Promise<Holder[]> {
    return this.#late("subscribe", () => super.subscribe(topic, holder));
  }

  override unsubscribe(topic: string, holder: Holder): Promise<void> {
    return this.#late("unsubscribe", () => super.unsubscribe(topic, holder));
  }

  override subscribers(topic: string, publisher?: Holder): Promise<Holder[]> {
    return this.#late("subscribers", () => super.subscribers(topic, publisher));
  }

  async #late<Result>(what: string, run: () => Promise<Result>): Promise<Result> {
    const fate = this.#failing === 0 ? undefined : ++this.#commands % (2 * this.#failing);
    await this.#step(`${what} arrives`);
    if (fate === this.#failing) throw new MeshError("unavailable", "lost on its way forth");
    const result = await run();
    await this.#step(`${what} is answered`);
    if (fate === 1) throw new MeshError("unavailable", "lost on its way back");
    return result;
  }
}

/** A one-way line: what is handed in leaves in order. */
function line(step: Step): (what: string, arrive: () => void) => void {
  let last = Promise.resolve();
  return (what, arrive) => {
    last = last.then(() => step(what)).then(arrive);
  };
}

/** One node: its clients on the topic, and lines to the others. */
export class ModelNode {
  readonly holder: Holder;
  readonly clients: Set<string> = new Set();
  readonly interest: Interest;
  readonly audience: Audience;
  readonly #history: History;
  readonly #calls = new Map<ModelNode, ReturnType<typeof line>>();
  readonly #answers = new Map<ModelNode, ReturnType<typeof line>>();
  readonly #step: Step;

  constructor(name: string, nodes: readonly ModelNode[], storage: Storage, history: History, step: Step) {
    this.holder = { host: name, life: name };
    this.#history = history;
    this.#step = step;
    this.audience = new Audience({ storage, node: this, maxTopics: 10 });
    this.interest = new Interest({
      storage,
      node: this,
      logger: silentLogger,
      timeoutMs: 1_000,
      links: {
        call: (to) => this.#call(find(nodes, to), "interest", (node) => node.audience.announced(TOPIC, this.holder)),
      },
    });
    this.#find = (to) => find(nodes, to);
  }

  readonly #find: (to: Holder) => ModelNode;

  async subscribe(client: string): Promise<void> {
    this.clients.add(client);
    try {
      await this.interest.want(TOPIC);
    } catch (error) {
      await this.unsubscribe(client);
      throw error;
    }
  }

  async unsubscribe(client: string): Promise<void> {
    if (this.clients.delete(client) && this.clients.size === 0) this.interest.unwant(TOPIC);
  }

  /** Publishes to the others as a cluster does, and here. */
  async publish(message: string): Promise<Delivery> {
    let delivered = this.#deliver(message);
    await this.audience.find(TOPIC, async (nodes) => {
      const send = async (to: Holder): Promise<void> => {
        const count = await this.#call(this.#find(to), message, (node) => node.#deliver(message));
        if (count === 0) this.audience.drop(TOPIC, to);
        delivered += count;
      };
      await Promise.all(Array.from(nodes, send));
    });
    return { delivered, held: 0, dropped: 0, unreachable: [] };
  }

  #deliver(message: string): number {
    for (const client of this.clients) this.#history.received(client, message);
    return this.clients.size;
  }

  /** There, in order with the other calls, and back, in order with the other answers: calls and answers of two nodes overtake each other. */
  #call<Result>(to: ModelNode, what: string, handle: (node: ModelNode) => Result): Promise<Result> {
    return new Promise((resolve) => {
      this.#line(this.#calls, to)(`${what} at ${to.holder.host}`, () => {
        const result = handle(to);
        to.#line(to.#answers, this)(`answer of ${to.holder.host}`, () => resolve(result));
      });
    });
  }

  #line(lines: Map<ModelNode, ReturnType<typeof line>>, to: ModelNode): ReturnType<typeof line> {
    let found = lines.get(to);
    if (!found) lines.set(to, found = line(this.#step));
    return found;
  }
}

function find(nodes: readonly ModelNode[], { life }: Holder): ModelNode {
  const node = nodes.find(({ holder }) => holder.life === life);
  if (!node) throw new Error(`no node has the life ${life}`);
  return node;
}

/** Nodes that hold leases on the storage. */
export async function modelNodes(
  names: readonly string[],
  storage: Storage,
  history: History,
  schedule: Scheduler,
): Promise<ModelNode[]> {
  const nodes: ModelNode[] = [];
  const step: Step = (what) => schedule.schedule(Promise.resolve(), what);
  for (const name of names) {
    const node = new ModelNode(name, nodes, storage, history, step);
    nodes.push(node);
    await storage.renew(node.holder, 1);
  }
  return nodes;
}
