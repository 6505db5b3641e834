import { invalidArgument } from "../../base/error.ts";
import { type Bytes, bytesOf, type KeyRange, textOf } from "./wire.ts";
import type { Holder } from "../storage.ts";

/**
 * Stands between the fields of a key. No UTF-8 text has this byte, so that no field can spell another's end:
 * neither ids nor topics nor prefixes need escaping or refusing, and no prefix reaches into another's range.
 */
const BREAK = "\xff";

/** The keys of one cluster. All begin with its prefix. */
export interface EtcdKeys {
  /** `prefix` BREAK id → `life host`. */
  connection(id: string): Bytes;
  /** Every connection, and nothing else: what is not a connection has an empty second field, which no id is. */
  readonly connections: KeyRange;
  isConnection(key: Bytes): boolean;
  idOf(connection: Bytes): string;
  /** → a random name, written once. */
  readonly generation: Bytes;
  /** → `life call`: the life of a host, and its newest call to `set`. Attached to the life's own lease. */
  node(host: string): Bytes;
  readonly nodes: KeyRange;
  hostOf(node: Bytes): string;
  /** A lease for a life's other keys. Attached to itself. */
  lease(life: string, lease: string): Bytes;
  leases(life: string): KeyRange;
  leaseOf(key: Bytes): string;
  /** The key of a node in a topic. */
  inTopic(kind: TopicKind, topic: string, holder: Holder): Bytes;
  topic(kind: TopicKind, topic: string): KeyRange;
  holderOf(inTopic: Bytes): Holder;
}

/** The two roles of a life in a topic. */
export type TopicKind = "subscribers" | "publishers";

/** Throws a TypeError (`invalid_argument`) for text that cannot be a prefix. */
export function etcdKeysOf(prefix: string): EtcdKeys {
  if (typeof prefix !== "string" || prefix === "" || !prefix.isWellFormed()) {
    throw invalidArgument("the prefix must be a well-formed string that is not empty");
  }
  const start = bytesOf(prefix) + BREAK;
  const join = (...fields: readonly string[]): Bytes => start + BREAK + fields.map(bytesOf).join(BREAK);
  const below = (key: Bytes): KeyRange => ({ key: key + BREAK, end: key + BREAK + BREAK });
  return {
    connection: (id) => start + bytesOf(id),
    connections: { key: start, end: start + BREAK },
    isConnection: (key) => key.startsWith(start) && key[start.length] !== BREAK,
    idOf: (key) => textOf(key.slice(start.length)),
    generation: join("generation"),
    node: (host) => join("nodes", host),
    nodes: below(join("nodes")),
    hostOf: lastField,
    lease: (life, lease) => join("leases", life, lease),
    leases: (life) => below(join("leases", life)),
    leaseOf: lastField,
    inTopic: (kind, topic, { host, life }) => join(kind, topic, host, life),
    topic: (kind, topic) => below(join(kind, topic)),
    holderOf(key) {
      const [host = "", life = ""] = key.split(BREAK).slice(-2);
      return { host, life };
    },
  };
}

function lastField(key: Bytes): string {
  return key.slice(key.lastIndexOf(BREAK) + 1);
}
