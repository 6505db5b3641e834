import { MeshError } from "../../base/error.ts";

/** Bytes of etcd as a string with one character, U+0000 to U+00FF, for each. */
export type Bytes = string;

/** The keys from `key` to, without, `end`. */
export interface KeyRange {
  readonly key: Bytes;
  readonly end: Bytes;
}

/** A key with its value. */
export interface KeyValue {
  readonly key: Bytes;
  readonly value: Bytes;
  readonly modRevision: bigint;
  /** "0" without one. */
  readonly lease: string;
}

/** One operation, or one condition, of a transaction, as the gateway reads it. */
export type Operation = Readonly<Record<string, unknown>>;

/** The answer of one operation of a transaction. */
export interface Answer {
  /** The keys that a range found. */
  readonly found: readonly KeyValue[];
  /** The value before a put or a delete. */
  readonly before: KeyValue | undefined;
  /** The answer of a nested transaction. */
  readonly nested: TxnAnswer | undefined;
}

/** The answer of a transaction. */
export interface TxnAnswer {
  /** Whether every condition held. */
  readonly succeeded: boolean;
  /** The store's revision; if the transaction wrote, the `modRevision` of all that it wrote. */
  readonly revision: bigint;
  readonly answers: readonly Answer[];
}

const ASCII = /^[\0-\x7f]*$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The UTF-8 bytes of a text. */
export function bytesOf(text: string): Bytes {
  if (ASCII.test(text)) return text;
  return Array.from(encoder.encode(text), (byte) => String.fromCharCode(byte)).join("");
}

/** The text of UTF-8 bytes. */
export function textOf(bytes: Bytes): string {
  return ASCII.test(bytes) ? bytes : decoder.decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
}

// ---- operations ----

/** Reads one key, or a range of them in their order; with `revision` as they stood then. */
export function read(what: Bytes | KeyRange, options: { limit?: number; revision?: bigint } = {}): Operation {
  const { key, end } = typeof what === "string" ? { key: what, end: undefined } : what;
  return {
    request_range: {
      key: btoa(key),
      range_end: end && btoa(end),
      limit: options.limit && String(options.limit),
      revision: options.revision === undefined ? undefined : String(options.revision),
    },
  };
}

export function put(key: Bytes, value: Bytes, lease?: string): Operation {
  return { request_put: { key: btoa(key), value: btoa(value), lease, prev_kv: true } };
}

/** Gives a key a new revision and nothing else. */
export function touch(key: Bytes): Operation {
  return { request_put: { key: btoa(key), ignore_value: true, ignore_lease: true, prev_kv: true } };
}

export function remove(key: Bytes): Operation {
  return { request_delete_range: { key: btoa(key), prev_kv: true } };
}

/** A transaction, or one within another; its answers are those of the branch that ran. */
export function branch(
  compare: readonly Operation[],
  success: readonly Operation[],
  failure: readonly Operation[] = [],
): Operation {
  return { request_txn: { compare, success, failure } };
}

// ---- conditions ----

/** The key was last written at this revision; 0: it does not exist. */
export function writtenAt(key: Bytes, revision: bigint): Operation {
  return { key: btoa(key), target: "MOD", result: "EQUAL", mod_revision: String(revision) };
}

export function attachedTo(key: Bytes, lease: string): Operation {
  return { key: btoa(key), target: "LEASE", result: "EQUAL", lease };
}

/** The key's value is this word, a space, and something more. etcd compares values as bytes, so that two bounds say so. */
export function beginsWith(key: Bytes, word: Bytes): Operation[] {
  const bound = (result: string, value: Bytes): Operation => ({
    key: btoa(key),
    target: "VALUE",
    result,
    value: btoa(value),
  });
  return [bound("GREATER", `${word} `), bound("LESS", `${word}!`)];
}

// ---- answers ----

interface KeyValueJson {
  key: string;
  value?: string;
  mod_revision?: string;
  lease?: string;
}

interface TxnJson {
  header?: { revision?: string };
  succeeded?: boolean;
  responses?: {
    response_range?: { kvs?: KeyValueJson[] };
    response_put?: { prev_kv?: KeyValueJson };
    response_delete_range?: { prev_kvs?: KeyValueJson[] };
    response_txn?: TxnJson;
  }[];
}

/** Reads the gateway's answer, which leaves out whatever is empty, 0 or false. Throws (`unavailable`) if it is none. */
export function parseTxn(json: unknown): TxnAnswer {
  try {
    return txnOf(json as TxnJson);
  } catch {
    throw unexpected();
  }
}

/** The error for an answer that etcd would not give. */
export function unexpected(): MeshError {
  return new MeshError("unavailable", "the storage answered something unexpected");
}

function txnOf({ header, succeeded, responses }: TxnJson): TxnAnswer {
  if (header === undefined) throw unexpected();
  return {
    succeeded: succeeded === true,
    revision: BigInt(header.revision ?? 0),
    answers: (responses ?? []).map((response) => {
      const before = response.response_put?.prev_kv ?? response.response_delete_range?.prev_kvs?.[0];
      return {
        found: (response.response_range?.kvs ?? []).map(keyValueOf),
        before: before && keyValueOf(before),
        nested: response.response_txn && txnOf(response.response_txn),
      };
    }),
  };
}

function keyValueOf({ key, value = "", mod_revision = "0", lease = "0" }: KeyValueJson): KeyValue {
  return { key: atob(key), value: atob(value), modRevision: BigInt(mod_revision), lease };
}
