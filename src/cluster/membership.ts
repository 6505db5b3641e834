import type { Logger } from "../base/logger.ts";
import { randomId } from "../base/random-id.ts";
import { Stall } from "./stall.ts";
import type { Entry, Holder, Renewal, Storage } from "../storage/storage.ts";

/** What a {@link Membership} stands on, and whom it tells. */
export interface MembershipOptions {
  storage: Storage;
  /** This node's address as it stands in the storage. */
  host: string;
  leaseMs: number;
  logger: Logger;
  /** Tells another node that this one lives, or leaves. Bounded in time; may reject. */
  hello: (to: Holder, from: Holder, leaving: boolean) => Promise<void>;
  /** Ids of this node for a renewal to look at, and whether what stands there shows that claims are lost. */
  sample: () => readonly string[];
  isLost: (entries: readonly (Entry | undefined)[]) => boolean;
  /** The claims of this node are gone from the storage, or belong to an ended life: make them again. */
  onLost: () => Promise<void>;
  onJoin: (node: Holder) => void;
  onLeave: (node: Holder) => void;
  onDegraded: (error: unknown) => void;
  onRenewed: () => void;
  /** Milliseconds of standing still after which what waits from before is too old to be taken. */
  stallMs: number;
  /** This process stood still: it was paused, or something blocked it. */
  onStall: () => void;
}

interface Member {
  readonly node: Holder;
  /** The renewal that was under way when the node said hello: its list may be older. */
  readonly heardAt: number;
  /** Until then it is kept although the storage does not know it: the storage was wiped, and it has yet to notice. */
  keptUntilMs: number;
}

const RENEWALS_PER_LEASE = 3;
const MAX_RETRY_MS = 1_000;
const SUSPICIOUS_RENEWAL_MS = 500;

/** This node's lease, and the other living nodes. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #members = new Map<string, Member>();
  #holder: Holder;
  /** Lives that could not be reached, and until when that is looked at more often. */
  readonly #suspects = new Map<string, number>();
  readonly #stall: Stall;
  #renewing = false;
  #renewal: Promise<void> | undefined;
  /** This process stood still for longer than its lease: it serves nobody until it knows its life again. */
  #frozen = false;
  #generation: string | undefined;
  #renewals = 0;
  #renewedAtMs = 0;
  /** The claims have to be made again, and that has not succeeded yet. */
  #lost = false;
  #restoring = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#holder = { host: options.host, life: randomId() };
    this.#stall = new Stall(options.stallMs, (stalledMs) => this.#onStall(stalledMs));
  }

  /** The present life of this node. */
  get holder(): Holder {
    return this.#holder;
  }

  /** The life that others may call; undefined while this node cannot know whether it still has one. */
  get servingLife(): string | undefined {
    this.#stall.check();
    return this.#frozen ? undefined : this.#holder.life;
  }

  /** The other living nodes. */
  nodes(): Holder[] {
    return Array.from(this.#members.values(), (member) => member.node);
  }

  /** Whether it is one of the other living nodes. */
  has({ life }: Holder): boolean {
    return this.#members.has(life);
  }

  /** Takes the lease, learns who lives, and tells them. Rejects when the storage cannot be reached. */
  async start(): Promise<void> {
    await this.#accept(await this.#renewOnce());
    await this.#greet();
    this.#schedule(this.#options.leaseMs / RENEWALS_PER_LEASE);
  }

  /** Ends the lease and tells the others. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#stall.stop();
    // A renewal that is still under way would take the lease again after it was given up.
    await this.#renewal;
    const farewells = this.nodes().map((node) => this.#options.hello(node, this.#holder, true));
    await Promise.allSettled([this.#options.storage.leave(this.#holder), ...farewells]);
  }

  /** Another node said that it lives. */
  heard(node: Holder): void {
    if (node.life === this.#holder.life || this.#stopped) return;
    for (const { node: former } of this.#members.values()) {
      if (former.host === node.host && former.life !== node.life) this.#remove(former);
    }
    this.#add(node);
  }

  /** A node could not be reached: until it is gone, or two leases passed, the storage is asked more often. */
  suspect({ life }: Holder): void {
    if (this.#suspects.has(life) || !this.#members.has(life)) return;
    this.#suspects.set(life, performance.now() + 2 * this.#options.leaseMs);
    this.#renewSoon(SUSPICIOUS_RENEWAL_MS);
  }

  /** The storage did not answer another call: asks it again soon, rather than at the next renewal. */
  storageFailed(error: unknown): void {
    this.#options.onDegraded(error);
    this.#renewSoon(MAX_RETRY_MS / 2);
  }

  #onStall(stalledMs: number): void {
    this.#options.onStall();
    if (stalledMs >= this.#options.leaseMs) this.#frozen = true;
    // Before the input that waited: of the lease some may be left, or nothing.
    this.#renewSoon(0);
  }

  #renewSoon(afterMs: number): void {
    if (this.#renewing || this.#stopped || this.#generation === undefined) return;
    clearTimeout(this.#timer);
    this.#schedule(Math.min(afterMs, this.#options.leaseMs / RENEWALS_PER_LEASE));
  }

  /** Another node said that it leaves. */
  heardLeaving(node: Holder): void {
    this.#remove(node);
  }

  // ---- renewing ----

  #schedule(afterMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#renewal = this.#renew();
    }, afterMs);
  }

  #nextRenewalMs(): number {
    const now = performance.now();
    for (const [life, untilMs] of this.#suspects) if (untilMs < now) this.#suspects.delete(life);
    const regularMs = this.#options.leaseMs / RENEWALS_PER_LEASE;
    return this.#suspects.size > 0 ? Math.min(SUSPICIOUS_RENEWAL_MS, regularMs) : regularMs;
  }

  async #renew(): Promise<void> {
    this.#renewing = true;
    const { leaseMs, onDegraded, logger } = this.#options;
    try {
      await this.#accept(await this.#renewOnce());
      this.#schedule(this.#nextRenewalMs());
    } catch (error) {
      logger.warn("meshsocket: the lease could not be renewed", error);
      onDegraded(error);
      this.#schedule(Math.min(MAX_RETRY_MS, leaseMs / RENEWALS_PER_LEASE));
    } finally {
      this.#renewing = false;
    }
  }

  async #renewOnce(): Promise<Renewal> {
    this.#renewals++;
    // While claims are made again some are missing still.
    const ids = this.#lost || this.#restoring ? [] : this.#options.sample();
    return await this.#options.storage.renew(this.#holder, this.#options.leaseMs, { ids });
  }

  async #accept(first: Renewal): Promise<void> {
    let renewal = first;
    const now = performance.now();
    const lostSome = first.entries.length > 0 && this.#options.isLost(first.entries);
    const known = this.#generation;
    const wiped = known !== undefined && renewal.generation !== known;
    // A store that was wiped took the lease along: the life itself went on, and its routes are still good.
    const ended = known !== undefined && renewal.lapsed && (!wiped || now - this.#renewedAtMs > this.#options.leaseMs);
    if (ended) {
      this.#holder = { host: this.#options.host, life: randomId() };
      renewal = await this.#renewOnce();
    }
    this.#frozen = false;
    this.#generation = renewal.generation;
    this.#renewedAtMs = now;
    if (wiped) { for (const member of this.#members.values()) member.keptUntilMs = now + this.#options.leaseMs; }
    this.#update(renewal.living, now);
    if (ended) await this.#greet();
    this.#lost ||= ended || wiped || lostSome;
    void this.#restore();
    this.#options.onRenewed();
  }

  /** Makes lost claims again, beside the renewals, which must not wait for it; what fails is tried again at the next. */
  async #restore(): Promise<void> {
    if (this.#restoring) return;
    this.#restoring = true;
    while (this.#lost && !this.#stopped) {
      this.#lost = false;
      try {
        await this.#options.onLost();
      } catch (error) {
        this.#lost = true;
        this.#options.logger.warn("meshsocket: what the storage lost could not be restored", error);
        break;
      }
    }
    this.#restoring = false;
  }

  async #greet(): Promise<void> {
    await Promise.allSettled(this.nodes().map((node) => this.#options.hello(node, this.#holder, false)));
  }

  // ---- the others ----

  #update(living: readonly Holder[], now: number): void {
    const lives = new Set(living.map((node) => node.life));
    for (const { node, heardAt, keptUntilMs } of this.#members.values()) {
      if (!lives.has(node.life) && heardAt < this.#renewals && keptUntilMs <= now) this.#bury(node);
    }
    for (const node of living) if (node.host !== this.#holder.host) this.#add(node);
  }

  #bury(node: Holder): void {
    this.#remove(node);
    this.#options.storage.clear(node).catch((error: unknown) => {
      this.#options.logger.warn("meshsocket: what a dead node left could not be cleared", error);
    });
  }

  #add(node: Holder): void {
    if (this.#members.has(node.life)) return;
    this.#members.set(node.life, { node, heardAt: this.#renewals, keptUntilMs: 0 });
    this.#options.onJoin(node);
  }

  #remove(node: Holder): void {
    this.#suspects.delete(node.life);
    if (this.#members.delete(node.life)) this.#options.onLeave(node);
  }
}
