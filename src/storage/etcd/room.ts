import type { EtcdClient } from "./client.ts";

/** The most keys that are attached to one lease: attaching one more takes etcd longer the more there are. */
export const MAX_KEYS_PER_LEASE = 1_000;

/** Below this a lease found full is used again; above it a further one is taken, or the next key would count again. */
const ROOMY_KEYS = 750;

/** A lease for keys. */
interface KeyLease {
  readonly name: string;
  /** How many keys are attached, at most: those that other nodes took over are only noticed by counting. */
  keys: number;
  /** Room promised to writes that are under way. */
  reserved: number;
}

/** The leases that the keys of one life are attached to, besides its own. */
export class EtcdRoom {
  readonly #client: EtcdClient;
  readonly #take: () => Promise<string>;
  #leases: KeyLease[] = [];
  #growing: Promise<void> | undefined;

  /** `take` takes one more lease and writes down whose it is. */
  constructor(client: EtcdClient, take: () => Promise<string>) {
    this.#client = client;
    this.#take = take;
  }

  get names(): string[] {
    return this.#leases.map(({ name }) => name);
  }

  /** Adds a lease that was taken elsewhere; nothing is known of what is attached to it. */
  add(name: string): void {
    if (!this.#leases.some((lease) => lease.name === name)) {
      this.#leases.push({ name, keys: MAX_KEYS_PER_LEASE, reserved: 0 });
    }
  }

  /** Forgets all leases. */
  clear(): void {
    this.#leases = [];
  }

  /** Promises room for keys; the answer is a lease. End it with {@link EtcdRoom.settle}. */
  async reserve(count: number): Promise<string> {
    for (;;) {
      const lease = this.#leases.find(({ keys, reserved }) => keys + reserved + count <= MAX_KEYS_PER_LEASE);
      if (lease) {
        lease.reserved += count;
        return lease.name;
      }
      await (this.#growing ??= this.#grow().finally(() => (this.#growing = undefined)));
    }
  }

  /** Of the promised room, so much was taken. */
  settle(name: string, reserved: number, taken: number): void {
    const lease = this.#leases.find((one) => one.name === name);
    if (!lease) return;
    lease.reserved -= reserved;
    lease.keys += taken;
  }

  /** A key is no longer attached to this lease, if it is one of these. */
  freed(name: string): void {
    const lease = this.#leases.find((one) => one.name === name);
    if (lease) lease.keys--;
  }

  async #grow(): Promise<void> {
    const oldest = this.#leases.shift();
    if (oldest) {
      this.#leases.push(oldest);
      const before = oldest.reserved;
      oldest.keys = (await this.#client.keysOfLease(oldest.name)).length + before;
      if (oldest.keys < ROOMY_KEYS) return;
    }
    const name = await this.#take();
    // The first key says whose lease it is. A renewal may have found it in the store meanwhile.
    const found = this.#leases.find((lease) => lease.name === name);
    if (found) found.keys = 1;
    else this.#leases.push({ name, keys: 1, reserved: 0 });
  }
}
