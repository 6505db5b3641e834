import { invalidArgument } from "../../base/error.ts";

/** The keys of one cluster, all in one slot. */
export interface RedisKeys {
  /** Hash: id to its entry. */
  readonly connections: string;
  /** Sorted set: `life host` by the lease's end. */
  readonly leases: string;
  /** Hash: the generation, the newest claim number, the tenure of each life. */
  readonly meta: string;
  /** Sorted sets by name: the holders in each topic. */
  readonly subscribers: string;
  readonly publishers: string;
  /** Set: the ids (`i…`) and topics (`s…`, `p…`) of one life. May name more than the life still has. */
  held(life: string): string;
  /** Text: the claim numbers of one recent call. */
  call(call: string): string;
  /** Text that a check writes for a second. */
  readonly check: string;
}

/** Throws a TypeError (`invalid_argument`) for a prefix that could not keep its keys apart from another's. */
export function keysOf(prefix: string): RedisKeys {
  if (typeof prefix !== "string" || prefix === "" || !prefix.isWellFormed() || /[{}]/.test(prefix)) {
    throw invalidArgument("the prefix must be a well-formed string that is not empty and has no braces");
  }
  // The braces put a side key into the slot of the prefix itself, and keep it apart from every prefix.
  const side = (name: string): string => `{${prefix}}:${name}`;
  return {
    connections: prefix,
    leases: side("leases"),
    meta: side("meta"),
    subscribers: side("subscribers"),
    publishers: side("publishers"),
    held: (life) => side(`held:${life}`),
    call: (call) => side(`call:${call}`),
    check: side("check"),
  };
}
