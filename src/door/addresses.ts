import { type Rate, rate, take } from "../base/rate.ts";
import type { Limits } from "../base/limits.ts";

interface Visitor {
  connections: number;
  fullAt: number;
}

/** How many addresses are remembered that hold no connection. */
const MAX_IDLE = 65_536;

/** Connections and connects of each client address. An address is an IPv4 address or the /64 of an IPv6 one. */
export class Addresses {
  readonly #visitors = new Map<string, Visitor>();
  readonly #maxConnections: number;
  readonly #rate: Rate;
  readonly #counts: boolean;

  constructor(limits: Readonly<Limits>) {
    this.#maxConnections = limits.maxConnectionsPerAddress;
    this.#rate = rate(limits.connectsPerSecond, limits.connectBurst);
    this.#counts = this.#maxConnections < Infinity || limits.connectsPerSecond < Infinity;
  }

  /** Lets one more connection of the address in; false when it has too many or they come too fast. */
  enter(address: string, now: number): boolean {
    if (!this.#counts || address === "") return true;
    const key = network(address);
    const visitor = this.#visitors.get(key) ?? { connections: 0, fullAt: 0 };
    const fullAt = take(this.#rate, visitor.fullAt, now);
    if (fullAt === undefined || visitor.connections >= this.#maxConnections) return false;
    visitor.fullAt = fullAt;
    visitor.connections++;
    if (visitor.connections === 1) this.#remember(key, visitor, now);
    return true;
  }

  /** The connection is gone, or did not come about. */
  leave(address: string): void {
    const visitor = this.#visitors.get(network(address));
    if (visitor && visitor.connections > 0) visitor.connections--;
  }

  /** Keeps a visitor, and of those without a connection only some: the ones whose bucket is not full. */
  #remember(key: string, visitor: Visitor, now: number): void {
    this.#visitors.delete(key);
    this.#visitors.set(key, visitor);
    let looked = 0;
    for (const [old, { connections, fullAt }] of this.#visitors) {
      if (++looked > 4) break;
      if (connections === 0 && (fullAt <= now || this.#visitors.size > MAX_IDLE)) this.#visitors.delete(old);
      else if (connections > 0) this.#moveBack(old);
    }
  }

  /** A visitor that is connected is looked at again only after all others. */
  #moveBack(key: string): void {
    const visitor = this.#visitors.get(key);
    if (!visitor) return;
    this.#visitors.delete(key);
    this.#visitors.set(key, visitor);
  }
}

/** The part of the address space that one person has: an IPv4 address, or 64 bits of IPv6. */
export function network(address: string): string {
  if (!address.includes(":")) return address;
  const [left = "", right] = address.split("%", 1)[0]?.split("::") ?? [];
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const missing = Math.max(0, 8 - head.length - tail.length - (tail.at(-1)?.includes(".") ? 1 : 0));
  const groups = right === undefined ? head : [...head, ...Array<string>(missing).fill("0"), ...tail];
  return groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "").toLowerCase()).join(":");
}
