import { about } from "../base/log/about.ts";
import { errorCode } from "../base/error.ts";
import { evictItem, type SizedItem } from "../link/items.ts";
import type { Logger } from "../base/log/logger.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";
import type { Holder } from "../storage/storage.ts";

/** A previous holder lives, and does not answer. */
export const SILENT: unique symbol = Symbol("silent");

/** Has the previous holders of claimed ids close their connections, again until they did or their life is over. */
export class Evictions {
  readonly #deps: EvictionsDependencies;
  /** By life, ids with the claim that took them. */
  readonly #untold = new Map<string, { to: Holder; claims: Map<string, bigint> }>();
  #waiting = 0;
  /** By id, how many previous holders may not know yet. */
  readonly #open = new Map<string, number>();
  /** By id, what is to happen when all of them know. */
  readonly #after = new Map<string, (() => void)[]>();

  constructor(deps: EvictionsDependencies) {
    this.#deps = deps;
  }

  /**
   * Tells the previous holder of an id, and with `resume` asks it for the client. Resolves with its answer; with {@link SILENT} if it
   * lives and did not answer until `untilMs`, or soon; with undefined if it could not be reached. Never rejects.
   */
  async evict(to: Holder, id: string, claim: bigint, resume?: ResumeOffer, untilMs?: number): Promise<unknown> {
    this.#open.set(id, (this.#open.get(id) ?? 0) + 1);
    return await this.#tell(to, id, claim, resume, untilMs);
  }

  /**
   * Calls `run` once every previous holder of the id knows that it was taken over: at once if there is none.
   *
   * A claim is given up only then: until it is told, a previous holder must not find the id free, and take it again.
   */
  whenTold(id: string, run: () => void): void {
    if (!this.#open.has(id)) run();
    else this.#after.set(id, [...this.#after.get(id) ?? [], run]);
  }

  /** Tells the nodes again that could not be told. */
  retry(): void {
    const untold = [...this.#untold.values()];
    this.#untold.clear();
    this.#waiting = 0;
    for (const { to, claims } of untold) for (const [id, claim] of claims) void this.#tell(to, id, claim);
  }

  /** A life ended: its connections are closed when it comes back as another one. */
  forget(life: string): void {
    const claims = this.#untold.get(life)?.claims ?? new Map<string, bigint>();
    this.#untold.delete(life);
    this.#waiting -= claims.size;
    for (const id of claims.keys()) this.#settle(id);
  }

  async #tell(to: Holder, id: string, claim: bigint, resume?: ResumeOffer, untilMs?: number): Promise<unknown> {
    try {
      const deadlineMs = untilMs ?? performance.now() + this.#deps.timeoutMs;
      const answer = await this.#deps.links.call(to, evictItem(id, claim, resume), deadlineMs);
      this.#settle(id);
      return answer;
    } catch (error) {
      const text =
        `meshsocket: could not have ${to.host} close its connection of an id that was taken over: it is tried again while that node lives`;
      this.#deps.logger.warn(text, error, about("eviction_failed", { node: to.host, client: id }));
      if (!this.#remember(to, id, claim)) this.#settle(id);
      return errorCode(error) !== "unavailable" && this.#deps.node.has(to) ? SILENT : undefined;
    }
  }

  /** False if it is not told again, or only together with another claim of the same id. */
  #remember(to: Holder, id: string, claim: bigint): boolean {
    if (this.#waiting >= this.#deps.maxWaiting || !this.#deps.node.has(to)) return false;
    const { claims } = this.#untold.get(to.life) ?? { claims: new Map<string, bigint>() };
    const known = claims.get(id);
    claims.set(id, known !== undefined && known > claim ? known : claim);
    this.#untold.set(to.life, { to, claims });
    if (known === undefined) this.#waiting++;
    return known === undefined;
  }

  /** One of the id's previous holders knows, or its life ended. */
  #settle(id: string): void {
    const open = (this.#open.get(id) ?? 1) - 1;
    if (open > 0) {
      this.#open.set(id, open);
      return;
    }
    this.#open.delete(id);
    const after = this.#after.get(id) ?? [];
    this.#after.delete(id);
    for (const run of after) run();
  }
}

/** Dependencies of {@link Evictions}. */
export interface EvictionsDependencies {
  logger: Logger;
  /** Tells a node; rejects if it did not answer in time. */
  links: { call(to: Holder, item: SizedItem, deadlineMs: number): Promise<unknown> };
  /** Knows whether a node lives: only then it is told again. */
  node: { has(node: Holder): boolean };
  timeoutMs: number;
  /** How many may wait to be told. Over it the newest is not told again, and its older connection stays until an audit. */
  maxWaiting: number;
}
