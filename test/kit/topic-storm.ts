/** Random subscribes, unsubscribes and publishes in a cluster of processes, with everything that is seen in a history. */
import type { Delivery } from "../../src/send/verbs.ts";
import type { TestClient } from "./client.ts";
import { History } from "./history.ts";
import type { VerbCall } from "./node-control.ts";
import type { NodeProcess } from "./node-process.ts";
import { Random } from "./random.ts";
import { within } from "./wait.ts";

/** How large a storm is. */
export interface StormOptions {
  readonly seed: number;
  readonly clients: number;
  readonly topics: number;
  readonly forMs: number;
}

interface Actor {
  readonly id: string;
  readonly client: TestClient;
  readonly topics: Set<string>;
  busy: boolean;
}

const TOGGLERS = 12;
const PUBLISHERS_PER_NODE = 2;
const MAX_BURST = 4;
const CONNECTS_AT_ONCE = 50;
const LAST = "the last message";

/** One storm. */
export class TopicStorm {
  readonly history: History = new History();
  readonly #nodes: readonly NodeProcess[];
  readonly #options: StormOptions;
  readonly #topics: readonly string[];
  readonly #actors: Actor[] = [];
  #sent = 0;

  constructor(nodes: readonly NodeProcess[], options: StormOptions) {
    this.#nodes = nodes;
    this.#options = options;
    this.#topics = Array.from({ length: options.topics }, (_, index) => `topic ${index}`);
  }

  /** Runs it to its end: when this resolves every client has got what was on its way. */
  async run(): Promise<void> {
    for (let start = 0; start < this.#options.clients; start += CONNECTS_AT_ONCE) {
      const count = Math.min(CONNECTS_AT_ONCE, this.#options.clients - start);
      await Promise.all(Array.from({ length: count }, (_, index) => this.#connect(start + index)));
    }
    const endsAt = performance.now() + this.#options.forMs;
    const random = new Random(this.#options.seed);
    const loop = async (act: (random: Random) => Promise<void>): Promise<void> => {
      const own = new Random(random.below(2 ** 31));
      while (performance.now() < endsAt) await act(own);
    };
    const togglers = Array.from({ length: TOGGLERS }, () => loop((own) => this.#toggle(own)));
    const publishers = this.#nodes.flatMap((node) =>
      Array.from({ length: PUBLISHERS_PER_NODE }, () => loop((own) => this.#publish(node, own)))
    );
    await Promise.all([...togglers, ...publishers]);
    await this.#settle();
  }

  async #connect(index: number): Promise<void> {
    const id = `client ${index}`;
    const node = this.#nodes[index % this.#nodes.length];
    if (!node) throw new Error("a storm needs nodes");
    const client = await node.connect(id);
    client.ws.addEventListener("message", ({ data }: MessageEvent) => {
      if (data !== LAST) this.history.received(id, String(data));
    });
    this.#actors.push({ id, client, topics: new Set(), busy: false });
  }

  /** One client of any node starts or stops to listen, as any node asks for it. */
  async #toggle(random: Random): Promise<void> {
    const actor = random.pick(this.#actors);
    const topic = random.pick(this.#topics);
    const { hub } = random.pick(this.#nodes);
    if (actor.busy) return await new Promise((resolve) => setTimeout(resolve, 1));
    actor.busy = true;
    const found = async (call: Promise<boolean>): Promise<void> => {
      if (!(await call)) throw new Error("nobody has the id");
    };
    if (actor.topics.delete(topic)) {
      await this.history.unsubscribe(actor.id, topic, () => found(hub.unsubscribe(actor.id, topic)));
    } else if (await this.history.subscribe(actor.id, topic, () => found(hub.subscribe(actor.id, topic)))) {
      actor.topics.add(topic);
    }
    actor.busy = false;
  }

  /** A node publishes a few messages at once, none of them awaited. */
  async #publish(node: NodeProcess, random: Random): Promise<void> {
    const messages = Array.from({ length: 1 + random.below(MAX_BURST) }, () => ({
      topic: random.pick(this.#topics),
      message: `message ${++this.#sent}`,
      except: random.below(4) === 0 ? [random.pick(this.#actors).id, random.pick(this.#actors).id] : [],
    }));
    const calls = messages.map(({ topic, message, except }): VerbCall => ["publish", topic, message, { except }]);
    const outcomes = node.callAll(calls);
    await Promise.all(
      messages.map((message, index) =>
        this.history.publish({ publisher: node.runtime, ...message }, async () => {
          const outcome = (await outcomes)[index];
          if (outcome && "value" in outcome) return outcome.value as Delivery;
          throw new Error("the publish rejected");
        })
      ),
    );
  }

  /** What was sent before comes before. */
  async #settle(): Promise<void> {
    await Promise.all(this.#actors.map(async ({ id, client }, index) => {
      const last = new Promise<void>((resolve) => {
        client.ws.addEventListener("message", ({ data }: MessageEvent) => {
          if (data === LAST) resolve();
        });
      });
      for (const node of this.#nodes) await node.hub.emit(id, LAST);
      await within(`the last message of client ${index}`, last);
    }));
  }
}
