import type { Clients } from "../client/clients.ts";
import type { Cluster } from "./cluster.ts";
import type { HubClient } from "../client/hub-client.ts";
import { DistSession } from "./dist-session.ts";
import type { HandedOver } from "../client/resume/handover.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";
import type { Grant, Registry } from "../hub/registry.ts";

/** The registry of a node of a cluster: each id is claimed in the storage and taken from its previous holder. */
export class ClusterRegistry<Data> implements Registry<Data> {
  readonly #node: JoinedNode<Data>;

  constructor(node: JoinedNode<Data>) {
    this.#node = node;
  }

  get others(): number {
    return this.#node.joined?.neighbours.nodes().length ?? 0;
  }

  get life(): string {
    return this.#node.cluster.holder.life;
  }

  get leaseMs(): number {
    return this.#node.leaseMs;
  }

  lives(life: string): boolean {
    const { joined } = this.#node;
    return joined !== undefined &&
      (joined.holder.life === life || joined.neighbours.nodes().some((node) => node.life === life));
  }

  async claim(id: string, resume: ResumeOffer | undefined): Promise<Grant> {
    // One that leaves for another node comes back from there.
    if (resume) await this.#node.cluster.neighbours.moves.left(id);
    const older = this.#node.clients.get(id);
    const grant = await this.#node.cluster.neighbours.claims.claim(id, resume, older?.keeps(resume) === false);
    // A storage that lost its last writes may count from a smaller number. The older connection stays the older one.
    if (older && older.claim >= grant.claim) older.claim = grant.claim - 1n;
    return grant;
  }

  settle(grant: Grant): void {
    if (grant instanceof DistSession) this.#node.cluster.neighbours.claims.settle(grant);
  }

  opened(client: HubClient<Data>, grant: Grant): Promise<void> | undefined {
    if (!(grant instanceof DistSession)) return undefined;
    const { neighbours } = this.#node.cluster;
    neighbours.reclaim.claimed(client);
    const evicted = neighbours.evictPrevious(client.id, grant);
    if (!grant.lost) return evicted;
    return Promise.all([evicted, neighbours.reclaim.one(client)]).then(() => {});
  }

  async takeOver(client: HubClient<Data>, grant: Grant, resume: ResumeOffer): Promise<HandedOver | string> {
    if (!(grant instanceof DistSession)) return "unknown";
    const { neighbours, moving: { arrivals } } = this.#node.cluster;
    neighbours.reclaim.claimed(client);
    const handed = await arrivals.takeOver(client, grant, resume);
    if (grant.lost) await neighbours.reclaim.one(client);
    return handed;
  }

  arrived({ id }: HubClient<Data>): void {
    this.#node.cluster.moving.arrivals.end(id);
  }

  isHere(id: string): boolean {
    return this.#node.cluster.moving.isHere(id);
  }

  offer(clients: readonly HubClient<Data>[], turn: number): Promise<number> {
    return this.#node.cluster.moving.departures.offer(clients, turn);
  }

  release(id: string, claim: bigint): void {
    const { cluster: { neighbours }, clients } = this.#node;
    neighbours.release(id, claim);
    // An upgrade that came to nothing had taken the id from a connection that is still open.
    const older = clients.get(id);
    if (older?.open && older.claim < claim) void neighbours.reclaim.one(older);
  }

  async leave(): Promise<void> {
    await this.#node.joined?.stop();
  }
}

/** A node with its part in the cluster. */
export interface JoinedNode<Data> {
  readonly clients: Clients<Data>;
  readonly leaseMs: number;
  /** Throws `failed_precondition` before the node joined. */
  readonly cluster: Cluster<Data>;
  /** Undefined before the node joined. */
  readonly joined: Cluster<Data> | undefined;
}
