import type { EtcdClient } from "./client.ts";
import { EtcdRoom } from "./room.ts";
import type { EtcdKeys } from "./keys.ts";
import { beginsWith, put } from "./wire.ts";
import { noLease } from "../check-holder.ts";
import type { Holder } from "../storage.ts";

/**
 * How much longer than the life's own lease the leases of its keys last, in seconds: they must not end before it. What a dead life left is
 * hidden at once and cleared by the nodes that notice; this is when etcd itself removes it, if no node notices.
 */
const KEYS_OUTLIVE_S = 60;

/** This storage's knowledge of one life. */
export class EtcdLife implements Holder {
  readonly host: string;
  readonly life: string;
  readonly room: EtcdRoom;
  /** The lease that says that it lives. */
  lease: string;
  /** The revision at which its node key was last written: a claim takes effect only if nothing was written there since. */
  fence: bigint;
  /** How long `lease` lasts; undefined if it was taken elsewhere. */
  ttlS: number | undefined;
  /** Whether the caller was told that this life has a lease, and nothing was found to be lost since. */
  told = false;
  /** Whether one of its leases was found to have ended: its claims cannot be relied on any more. */
  broken = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ host, life }: Holder, client: EtcdClient, keys: EtcdKeys, lease = "", fence = 0n) {
    this.host = host;
    this.life = life;
    this.lease = lease;
    this.fence = fence;
    this.room = new EtcdRoom(client, async () => {
      const name = await client.grant((this.ttlS ?? KEYS_OUTLIVE_S) + KEYS_OUTLIVE_S);
      const mine = beginsWith(keys.node(host), life);
      const { succeeded } = await client.txn(mine, [put(keys.lease(life, name), "", name)]);
      if (succeeded) return name;
      client.revoke(name).catch(() => {});
      throw noLease();
    });
  }

  /** Runs what writes the node key, one after another. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
