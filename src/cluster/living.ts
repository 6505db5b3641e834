import { about } from "../base/log/about.ts";
import { BoundedMap } from "../base/bounded-map.ts";
import type { Logger } from "../base/log/logger.ts";
import type { Hello, Unmet } from "./hello.ts";
import type { Holder, Storage } from "../storage/storage.ts";

/** The other living nodes, as the storage lists them and as they said themselves. */
export class Living {
  readonly #own: LivingDependencies;
  readonly #members = new Map<string, Member>();
  /** Lives that left or died, and did not come back. */
  readonly #over = new BoundedMap<string, true>(MAX_OVER);
  /** Renewals of this node's lease so far, each of which lists the living. */
  #lists = 0;

  constructor(own: LivingDependencies) {
    this.#own = own;
  }

  nodes(): Holder[] {
    return Array.from(this.#members.values(), (member) => member.node);
  }

  has({ life }: Holder): boolean {
    return this.#members.has(life);
  }

  /** Whether the life was one of a node, and has left or died. */
  isOver(life: string): boolean {
    return this.#over.has(life);
  }

  /** A node said that it lives: it takes the place of an older life of its host. */
  heard(node: Holder): void {
    for (const { node: former } of this.#members.values()) {
      if (former.host === node.host && former.life !== node.life) this.remove(former);
    }
    this.#add(node);
  }

  /** A list is asked for: nodes that say hello from now on may be missing in it. */
  asking(): void {
    this.#lists++;
  }

  /** The storage lists the living: the others are dead, unless they said hello meanwhile or are kept. */
  listed(living: readonly Holder[], self: Holder): void {
    const now = performance.now();
    const lives = new Set(living.map((node) => node.life));
    for (const { node, heardAt, keptUntilMs } of this.#members.values()) {
      if (!lives.has(node.life) && heardAt < this.#lists && keptUntilMs <= now) this.#bury(node);
    }
    for (const node of living) if (node.life !== self.life) this.#add(node);
  }

  /** The storage was wiped: it lists the others again once they have noticed. */
  keep(untilMs: number): void {
    for (const member of this.#members.values()) member.keptUntilMs = untilMs;
  }

  remove(node: Holder): void {
    if (!this.#members.delete(node.life)) return;
    this.#over.set(node.life, true);
    this.#own.events.left(node);
  }

  // ---- acquaintance ----

  /** How many nodes this one has met. */
  get acquaintances(): number {
    return [...this.#members.values()].filter(({ met }) => met).length;
  }

  /** A node reached this one, and was reached. */
  met({ life }: Holder): void {
    const member = this.#members.get(life);
    if (member) member.met = true;
  }

  /** This node has a new life, which nobody has met. */
  forgotten(): void {
    for (const member of this.#members.values()) member.met = false;
  }

  /** Greets the nodes that this one has not met; returns what is wrong with each, undefined for nothing. Never rejects. */
  async greet(self: Holder): Promise<(Unmet | undefined)[]> {
    const strangers = [...this.#members.values()].filter(({ met, greeting }) => !met && !greeting);
    return await Promise.all(strangers.map(async (member) => {
      member.greeting = true;
      const wrong = await this.#own.hello.greet(member.node, self);
      member.greeting = false;
      if (wrong === undefined) member.met = true;
      return wrong;
    }));
  }

  #add(node: Holder): void {
    if (this.#members.has(node.life)) return;
    this.#over.delete(node.life);
    this.#members.set(node.life, { node, heardAt: this.#lists, keptUntilMs: 0, met: false, greeting: false });
    this.#own.events.joined(node);
  }

  #bury(node: Holder): void {
    this.remove(node);
    this.#own.storage.clear(node).catch((error: unknown) => {
      this.#own.logger.warn(
        `meshsocket: could not clear the entries of dead node ${node.host}`,
        error,
        about("dead_node_not_cleared", { node: node.host }),
      );
    });
  }
}

/** Ended lives that are remembered: more than a network can hold back messages of. */
const MAX_OVER = 1_024;

interface Member {
  readonly node: Holder;
  /** The list that was asked for when the node said hello: it may be older. */
  readonly heardAt: number;
  /** Until then it is kept although the storage does not list it. */
  keptUntilMs: number;
  /** Whether the two nodes have reached each other. */
  met: boolean;
  /** A greeting is under way. */
  greeting: boolean;
}

/** Dependencies of {@link Living}. */
export interface LivingDependencies {
  storage: Storage;
  logger: Logger;
  hello: Hello;
  events: { joined(node: Holder): void; left(node: Holder): void };
}
