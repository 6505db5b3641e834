/** What a test and a node in a process of its own say to each other: one JSON value per line, over stdin and stdout. */
import { Buffer } from "node:buffer";
import type { DistHubOptions } from "../../src/distributed/dist-hub-options.ts";
import type { HubStatus } from "../../src/base/hub-status.ts";
import type { PresenceEvent } from "../../src/hub/presence-watch.ts";
import type { RpcOptions } from "../../src/hub/serve-options.ts";
import type { Sender } from "../../src/send/sender.ts";
import type { Holder } from "../../src/storage/storage.ts";
import type { Runtime } from "./runtime.ts";

/** The verbs of a hub that can be called from outside. */
export type Verb =
  | "emit"
  | "online"
  | "broadcast"
  | "publish"
  | "position"
  | "members"
  | "count"
  | "request"
  | "subscribe"
  | "unsubscribe"
  | "disconnect";

/** A call of a verb, with its arguments as the hub takes them. */
export type VerbCall = { [Name in Verb]: readonly [Name, ...Parameters<Sender[Name]>] }[Verb];

/** The verbs of a client that its own node can be told to call. */
export type ClientVerb = "publish" | "broadcast" | "request";

/** How a call ended. */
export type Outcome = { readonly value: unknown } | { readonly code: string; readonly message: string };

/** Which storage a child opens: Redis through its endpoint or, without a token, over TCP; or etcd. */
export type StorageSetup =
  | { readonly url: string; readonly token?: string; readonly prefix: string }
  | {
    readonly endpoints: readonly string[];
    readonly prefix: string;
    /** The Redis that keeps the history of topics. */
    readonly history?: string;
  };

/** What is wrong on purpose with a node, to see whether a test notices. */
export type Defect =
  | "release without compare"
  | "retry without dedupe"
  | "no inbox window"
  | ResumeDefect
  | CatchUpDefect;

/** What is wrong on purpose with the way in which a node resumes clients. */
export type ResumeDefect = "no escape" | "ack before handling" | "state fetched twice" | "token reusable";

/** The faults that a test gives the history of a node's topics. */
export type CatchUpDefect =
  | "epoch kept after a wipe"
  | "live not held during a replay"
  | "gap untold"
  | "keys forgotten"
  | "difference to another message"
  | "older after newer";

/** The first line to a child: what node to be. */
export interface NodeSetup {
  readonly storage: StorageSetup;
  readonly defect?: Defect | undefined;
  readonly hub: Pick<DistHubOptions, "secret" | "leaseMs" | "limits" | "duplicateIds" | "topics" | "resume">;
  readonly rpc: RpcOptions;
  readonly publicRpc: boolean;
  /** How far its wall clock is ahead of the true one from the start. */
  readonly clockAheadMs?: number | undefined;
}

/** What a child is asked to do; its {@link Report} carries the same number. */
export type Order =
  & { readonly number: number }
  & (
    /** Starts the calls in order without awaiting them, `perTurn` of them in each turn of the event loop. */
    | { readonly do: "call"; readonly calls: readonly VerbCall[]; readonly perTurn: number }
    /** Calls a verb of a client of this node. */
    | { readonly do: "client"; readonly id: string; readonly verb: ClientVerb; readonly args: readonly string[] }
    /** Watches who listens on a topic; each join and leave is an event. */
    | { readonly do: "watch"; readonly topic: string }
    | { readonly do: "status" }
    | { readonly do: "audit" }
    /** Collects garbage and says how many bytes are in use. */
    | { readonly do: "heap" }
    /** Sets the wall clock this far from the true one, as this process sees it. */
    | { readonly do: "clock"; readonly aheadMs: number }
    /** Blocks the event loop, as a handler does that computes. */
    | { readonly do: "stall"; readonly ms: number }
    | { readonly do: "close"; readonly drainMs: number }
  );

/** What a node says of itself. */
export interface NodeStatus {
  readonly status: HubStatus;
  readonly size: number;
  /** The ids of its clients. */
  readonly ids: readonly string[];
  readonly topics: readonly string[];
  readonly holder: Holder;
  /** The hosts of the living nodes, its own included. */
  readonly nodes: readonly string[];
  readonly rssBytes: number;
  /** The longest that its event loop was late in the last seconds. */
  readonly lagMs: number;
}

/** Something that happened in a child. */
export type NodeEvent =
  | { readonly type: "presence"; readonly topic: string; readonly event: PresenceEvent }
  | { readonly type: "connect"; readonly id: string }
  | { readonly type: "event"; readonly id: string; readonly message: string | Uint8Array }
  | { readonly type: "disconnect"; readonly id: string; readonly code: number; readonly reason: string }
  | { readonly type: "lost"; readonly id: string; readonly undelivered: readonly (string | Uint8Array)[] }
  | { readonly type: "error"; readonly id: string; readonly message: string }
  | { readonly type: "nodejoin" | "nodeleave"; readonly host: string }
  | { readonly type: "ready" | "degraded" | "drained" | "closed" };

/** A line from a child. */
export type Report =
  | {
    readonly say: "ready";
    readonly runtime: Runtime;
    readonly url: string;
    readonly host: string;
    readonly port: number;
  }
  | { readonly say: "failed"; readonly code: string; readonly message: string }
  | { readonly say: "done"; readonly number: number; readonly result: unknown }
  | { readonly say: "event"; readonly event: NodeEvent }
  /** What must never happen: an error that nobody caught. */
  | { readonly say: "problem"; readonly text: string }
  /** A line in the log of errors. */
  | { readonly say: "logged"; readonly text: string };

/** A line for the other side. Bytes keep their type. */
export function toLine(value: Order | Report | NodeSetup): string {
  return `${
    JSON.stringify(value, (_, part: unknown) => part instanceof Uint8Array ? { base64: toBase64(part) } : part)
  }\n`;
}

/** What {@link toLine} was given. */
export function fromLine(line: string): unknown {
  return JSON.parse(line, (_, part: unknown) => {
    const { base64 } = (part ?? {}) as { base64?: unknown };
    return typeof base64 === "string" ? new Uint8Array(Buffer.from(base64, "base64")) : part;
  });
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** The lines of a stream of chunks. */
export async function* linesOf(chunks: AsyncIterable<unknown>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  for await (const chunk of chunks) {
    const [first = "", ...rest] = decoder.decode(chunk as Uint8Array, { stream: true }).split("\n");
    parts.push(first);
    if (rest.length === 0) continue;
    yield parts.join("");
    parts = [rest.pop() ?? ""];
    yield* rest;
  }
}
