import { about } from "../base/log/about.ts";
import type { Counters } from "../base/counters/counters.ts";
import { backoffMs } from "../base/backoff.ts";
import { MeshError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { Logger } from "../base/log/logger.ts";
import { randomId } from "../base/random-id.ts";
import { Reminder } from "../base/reminder.ts";
import { type Hello, leaseTaken, sharedAddress } from "./hello.ts";
import { Living } from "./living.ts";
import { Stall } from "./stall.ts";
import type { Entry, Holder, Renewal, Storage } from "../storage/storage.ts";

/**
 * The state of the lease, as a renewal shows it.
 *
 * - `first`: the life takes its lease.
 * - `kept`: the lease went on.
 * - `wiped`: the storage lost everything. The life goes on, and its routes are still good.
 * - `lapsed`: the lease ended, because this process stood still or the storage was away. A new life begins.
 * - `taken`: the lease ended although it was renewed in time. Another node has this node's address, or the storage
 *   lost its last writes. A new life begins, unless the address leads to the other node.
 */
type Finding = "first" | "kept" | "wiped" | "lapsed" | "taken";

const RENEWALS_PER_LEASE = 3;
const MAX_RETRY_MS = 1_000;
const SUSPICIOUS_RENEWAL_MS = 500;
/** How often a node whose lease was taken dials its address: behind a balancer it leads now here and now there. */
const DIALS = 8;
/** The part of a lease within which it cannot have ended by itself, whatever the drift of two clocks. */
const IN_TIME = 0.9;

/** This node's lease, and the other living nodes. */
export class Membership {
  readonly #deps: MembershipDependencies;
  /** The other living nodes. */
  readonly living: Living;
  readonly #reminder: Reminder;
  #holder: Holder;
  /** Lives that could not be reached, and until when the storage is asked for them more often. */
  readonly #suspects = new Map<string, number>();
  readonly #stall: Stall;
  #renewing = false;
  #renewal: Promise<void> | undefined;
  /** This process stood still for longer than its lease: it serves nobody until it knows its life again. */
  #frozen = false;
  /** Another node has this node's address: this one holds no lease and waits. */
  #displaced: MeshError | undefined;
  /** The others know this node: it may say that it is ready. */
  #introduced = false;
  #generation: string | undefined;
  /** When the renewals that were asked for last and answered last were sent. */
  #askedAtMs = 0;
  #renewedAtMs = 0;
  /** The claims have to be made again, and that has not succeeded yet. */
  #lost = false;
  #restoring = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(deps: MembershipDependencies) {
    this.#deps = deps;
    this.#holder = { host: deps.host, life: randomId() };
    this.living = new Living(deps);
    this.#reminder = new Reminder(deps.logger);
    this.#stall = new Stall(deps.limits.timeoutMs, (stalledMs) => this.#onStall(stalledMs));
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

  /** Why this node takes no clients now; undefined if it does. */
  get refusal(): MeshError | undefined {
    if (this.#introduced) return this.#displaced;
    return new MeshError("failed_precondition", "this node has not joined its cluster yet: await serve() or listen()");
  }

  // ---- joining and leaving ----

  /**
   * Meets itself at its address, takes the lease, and makes itself known to the living.
   *
   * Rejects with `failed_precondition` if the address does not lead here or a living node and this one do not reach each
   * other, and with the error of the storage if that cannot be reached.
   */
  async start(): Promise<void> {
    await this.#deps.hello.meetSelf(this.#holder);
    await this.#accept(await this.#renewOnce());
    this.#schedule(this.#deps.leaseMs / RENEWALS_PER_LEASE);
    await this.#introduce();
    this.#deps.events.renewed();
  }

  /** Ends the lease and tells the others. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#stall.stop();
    // A renewal that is still under way would take the lease again after it was given up.
    await this.#renewal;
    const farewells = this.living.nodes().map((node) => this.#deps.hello.leave(node, this.#holder));
    this.#deps.counters.leaseEndsAtMs = undefined;
    await Promise.allSettled([this.#deps.storage.leave(this.#holder), ...farewells]);
  }

  /**
   * Greets the living until they and this node reach each other; rejects if they do not.
   *
   * A living node that cannot be told is waited for until it has read of this one in the storage: until then its sends
   * would miss the clients of this node without a sign.
   */
  async #introduce(): Promise<void> {
    const startedAtMs = performance.now();
    const unmetUntilMs = startedAtMs + this.#deps.limits.timeoutMs;
    const untoldUntilMs = startedAtMs + this.#deps.leaseMs / RENEWALS_PER_LEASE;
    for (let failures = 0;; failures++) {
      const found = await this.living.greet(this.#holder);
      const refusal = found.find((unmet) => unmet?.refused);
      if (refusal) throw refusal.error;
      const now = performance.now();
      const unmet = found.find((one) => one?.answered === "yes");
      // A node that some reach and some do not goes on: sends between it and the others name the host.
      const alone = this.living.acquaintances === 0;
      if (unmet && alone && (now > unmetUntilMs || this.#stopped)) throw unmet.error;
      const untold = found.some((one) => one?.answered === "silent") && now < untoldUntilMs;
      if (this.#stopped || (!(unmet && alone) && !untold)) break;
      await new Promise((resolve) => setTimeout(resolve, backoffMs(failures)));
    }
    this.#introduced = true;
  }

  /** Greets the nodes that this one has not met, and reports which of them it still does not reach. */
  async #meet(): Promise<void> {
    const found = await this.living.greet(this.#holder);
    if (this.#stopped) return;
    for (const unmet of found) if (unmet) this.#reminder.report(unmet.error.message, unmet.error.message);
  }

  // ---- what the others say ----

  /** Another node said that it lives. */
  heard(node: Holder): void {
    if (node.life === this.#holder.life || this.#stopped) return;
    if (node.host === this.#holder.host) this.#reminder.report("address", sharedAddress(node.host));
    else this.living.heard(node);
  }

  /** Another node reached this one, and was reached. */
  met(node: Holder): void {
    this.living.met(node);
  }

  /** Another node said that it leaves. */
  heardLeaving(node: Holder): void {
    this.living.remove(node);
  }

  /** A node could not be reached: until it is gone, or two leases passed, the storage is asked more often. */
  suspect(node: Holder): void {
    if (this.#suspects.has(node.life) || !this.living.has(node)) return;
    this.#suspects.set(node.life, performance.now() + 2 * this.#deps.leaseMs);
    this.#renewSoon(SUSPICIOUS_RENEWAL_MS);
  }

  /** The storage did not answer another call: asks it again soon, rather than at the next renewal. */
  storageFailed(error: unknown): void {
    this.#deps.events.degraded(error);
    this.#renewSoon(MAX_RETRY_MS / 2);
  }

  #onStall(stalledMs: number): void {
    this.#deps.events.stalled();
    if (stalledMs >= this.#deps.leaseMs) this.#frozen = true;
    // Before the input that waited: some of the lease may be left, or nothing.
    this.#renewSoon(0);
  }

  // ---- renewing ----

  #renewSoon(afterMs: number): void {
    if (this.#renewing || this.#stopped || this.#generation === undefined) return;
    clearTimeout(this.#timer);
    this.#schedule(Math.min(afterMs, this.#deps.leaseMs / RENEWALS_PER_LEASE));
  }

  #schedule(afterMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#renewal = this.#renew();
    }, afterMs);
  }

  #nextRenewalMs(): number {
    const now = performance.now();
    for (const [life, untilMs] of this.#suspects) {
      if (untilMs < now || !this.living.has({ life, host: "" })) this.#suspects.delete(life);
    }
    const regularMs = this.#deps.leaseMs / RENEWALS_PER_LEASE;
    return this.#suspects.size > 0 ? Math.min(SUSPICIOUS_RENEWAL_MS, regularMs) : regularMs;
  }

  async #renew(): Promise<void> {
    this.#renewing = true;
    const { leaseMs, events, logger } = this.#deps;
    try {
      if (this.#displaced === undefined || (await this.#isFree())) await this.#accept(await this.#renewOnce());
      this.#schedule(this.#nextRenewalMs());
    } catch (error) {
      const lasted = about("lease_not_renewed", { durationMs: Math.round(performance.now() - this.#askedAtMs) });
      logger.warn(`meshsocket: could not renew the lease of ${this.#holder.host}: ${textOf(error)}`, error, lasted);
      events.degraded(error);
      this.#schedule(Math.min(MAX_RETRY_MS, leaseMs / RENEWALS_PER_LEASE));
    } finally {
      this.#renewing = false;
    }
  }

  async #renewOnce(): Promise<Renewal> {
    this.living.asking();
    this.#askedAtMs = performance.now();
    // While claims are made again some are still missing.
    const ids = this.#lost || this.#restoring ? [] : this.#deps.reclaim.sample();
    return await this.#deps.storage.renew(this.#holder, this.#deps.leaseMs, { ids });
  }

  #findingOf({ lapsed, generation }: Renewal, now: number): Finding {
    if (this.#generation === undefined) return "first";
    const sinceMs = now - this.#renewedAtMs;
    // A storage that was wiped took the lease along.
    if (generation !== this.#generation) return lapsed && sinceMs > this.#deps.leaseMs ? "lapsed" : "wiped";
    if (!lapsed) return "kept";
    return sinceMs <= this.#deps.leaseMs * IN_TIME ? "taken" : "lapsed";
  }

  async #accept(first: Renewal): Promise<void> {
    const now = performance.now();
    const finding = this.#findingOf(first, now);
    if (finding === "taken" && (await this.#yields())) return;
    const lostSome = first.entries.length > 0 && this.#deps.reclaim.isLost(first.entries);
    const isOther = this.#generation !== undefined && first.generation !== this.#generation;
    // With claims it lost leases of nodes that live.
    if (isOther || lostSome) this.living.keep(now + this.#deps.leaseMs);
    if (isOther) this.#deps.reclaim.wiped();
    if (finding === "wiped" || lostSome) {
      this.#deps.logger.warn(`meshsocket: ${finding === "wiped" ? LOST_ALL : LOST_SOME}`, about("claims_lost"));
    }
    const begins = finding === "lapsed" || finding === "taken";
    const renewal = begins ? await this.#beginLife() : first;
    this.#frozen = false;
    this.#generation = renewal.generation;
    this.#renewedAtMs = this.#askedAtMs;
    this.#deps.counters.leaseEndsAtMs = this.#askedAtMs + this.#deps.leaseMs;
    if (finding !== "first" && finding !== "kept") this.#deps.counters.leasesLost++;
    this.living.listed(renewal.living, this.#holder);
    if (begins) await this.#meet();
    else if (this.#introduced) void this.#meet();
    this.#lost ||= begins || finding === "wiped" || lostSome;
    void this.#restore();
    // After a lease that was taken the next renewal has to show that nobody takes it again.
    if (this.#introduced && finding !== "taken") this.#deps.events.renewed();
  }

  async #beginLife(): Promise<Renewal> {
    this.#holder = { host: this.#deps.host, life: randomId() };
    this.living.forgotten();
    this.#deps.reclaim.begun();
    return await this.#renewOnce();
  }

  // ---- an address of two nodes ----

  /** The lease ended although it was renewed in time: whether this node gives way, because its address leads to another one. */
  async #yields(): Promise<boolean> {
    const { host, hello, storage, counters, events } = this.#deps;
    const displaced = await hello.isDisplaced(this.#holder, DIALS);
    const error = new MeshError("failed_precondition", displaced ? sharedAddress(host) : leaseTaken(host));
    this.#reminder.report("address", error.message);
    events.degraded(error);
    if (!displaced) return false;
    // The renewal took the lease from the node that the address leads to: it gets it back.
    await storage.leave(this.#holder);
    counters.leaseEndsAtMs = undefined;
    this.#displaced = error;
    events.displaced(error);
    return true;
  }

  /** Whether this node may take its lease again: no other life of its host holds one, and the address leads here. */
  async #isFree(): Promise<boolean> {
    this.living.asking();
    const living = await this.#deps.storage.living();
    this.living.listed(living, this.#holder);
    const taken = living.some(({ host, life }) => host === this.#holder.host && life !== this.#holder.life);
    if (taken || (await this.#deps.hello.isDisplaced(this.#holder))) {
      if (this.#displaced) {
        this.#reminder.report("address", this.#displaced.message);
        // The storage may have failed meanwhile: it answers again, and this remains.
        this.#deps.events.degraded(this.#displaced);
      }
      return false;
    }
    this.#displaced = undefined;
    // The life that was displaced is over.
    this.#renewedAtMs = -Infinity;
    return true;
  }

  // ---- what the storage lost ----

  /** Makes lost claims again while the renewals go on. A failure is tried again at the next renewal. */
  async #restore(): Promise<void> {
    if (this.#restoring) return;
    this.#restoring = true;
    while (this.#lost && !this.#stopped) {
      this.#lost = false;
      try {
        await this.#deps.events.lost();
      } catch (error) {
        this.#lost = true;
        this.#deps.logger.warn(
          "meshsocket: could not restore what the storage lost",
          error,
          about("claims_not_restored"),
        );
        break;
      }
    }
    this.#restoring = false;
  }
}

/** Dependencies of {@link Membership}. */
export interface MembershipDependencies {
  storage: Storage;
  /** This node's address as the storage has it. */
  host: string;
  leaseMs: number;
  logger: Logger;
  limits: Readonly<Limits>;
  counters: Counters;
  hello: Hello;
  reclaim: Sampled;
  events: NeighbourEvents;
}

/** Has each renewal of the lease look at some of this node's claims. */
export interface Sampled {
  /** The ids to look at. */
  sample(): readonly string[];
  /** Whether their entries show that the storage lost claims. */
  isLost(entries: readonly (Entry | undefined)[]): boolean;
  /** The storage was wiped: it counts claims from the start. */
  wiped(): void;
  /** This node's life ended, and it has another one. */
  begun(): void;
}

/** Hears of this node's life and of its neighbours. */
export interface NeighbourEvents {
  /** Another node is there. */
  joined(node: Holder): void;
  /** Another node left or died. */
  left(node: Holder): void;
  /** The lease was renewed: the storage answers. */
  renewed(): void;
  /** The storage does not answer, or another node has this node's address. */
  degraded(error: unknown): void;
  /** The claims of this node are gone from the storage, or belong to an ended life: makes them again. Rejects if that fails. */
  lost(): Promise<void>;
  /** This node's address leads to another one: no other node reaches its clients. */
  displaced(error: MeshError): void;
  /** This process stood still, because it was paused or something blocked it: what waits to be read is too old. */
  stalled(): void;
}

const LOST_SOME = "the storage lost claims of this node: it makes them again";
const LOST_ALL = "the storage was wiped: this node writes again what it held there";

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
