import { evictItem, type SizedItem } from "./items.ts";
import type { Logger } from "./logger.ts";
import type { Holder } from "./storage/storage.ts";

/** What {@link Evictions} stand on. */
export interface EvictionsOptions {
  logger: Logger;
  /** Tells a node; rejects when it did not answer in time. */
  tell: (to: Holder, item: SizedItem) => Promise<unknown>;
  /** Whether a node is known to live: only then it is told again. */
  lives: (node: Holder) => boolean;
  /** How many may wait to be told. Over it the newest is not told again, and its older connection stays until an audit. */
  maxWaiting: number;
}

/** Has the previous holders of claimed ids close their connections, again until they did or their life is over. */
export class Evictions {
  readonly #options: EvictionsOptions;
  /** By life, ids with the claim that took them. */
  readonly #untold = new Map<string, { to: Holder; claims: Map<string, bigint> }>();
  #waiting = 0;

  constructor(options: EvictionsOptions) {
    this.#options = options;
  }

  /** Tells the previous holder of an id; settles when it did so or could not be told for now. Never rejects. */
  async evict(to: Holder, id: string, claim: bigint): Promise<void> {
    try {
      await this.#options.tell(to, evictItem(id, claim));
    } catch (error) {
      this.#options.logger.warn("meshsocket: a previous holder could not be told to close its connection", error);
      this.#remember(to, id, claim);
    }
  }

  /** Tells again who could not be told. */
  retry(): void {
    const untold = [...this.#untold.values()];
    this.#untold.clear();
    this.#waiting = 0;
    for (const { to, claims } of untold) for (const [id, claim] of claims) void this.evict(to, id, claim);
  }

  /** A life ended: its connections are closed when it comes back as another one. */
  forget(life: string): void {
    this.#waiting -= this.#untold.get(life)?.claims.size ?? 0;
    this.#untold.delete(life);
  }

  #remember(to: Holder, id: string, claim: bigint): void {
    if (this.#waiting >= this.#options.maxWaiting || !this.#options.lives(to)) return;
    const { claims } = this.#untold.get(to.life) ?? { claims: new Map<string, bigint>() };
    if (!claims.has(id)) this.#waiting++;
    if (claim > (claims.get(id) ?? 0n)) claims.set(id, claim);
    this.#untold.set(to.life, { to, claims });
  }
}
