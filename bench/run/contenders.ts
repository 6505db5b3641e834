import type { Dialect } from "../load/job.ts";

/** A runtime that servers run on. */
export type RuntimeName = "node" | "bun" | "deno";

/** The role of a server in the comparison. */
export type Kind =
  /** This project. */
  | "meshsocket"
  /** This project, with clients that speak meshsocket.v1. */
  | "v1"
  /** The same, with topics that the clients subscribe to themselves. */
  | "tagged"
  /** This project, whose topics keep their newest messages in Redis. */
  | "kept"
  /** The runtime's own engine, used plainly. */
  | "native"
  /** If meshsocket uses another engine than the runtime's own: that one, used plainly. */
  | "engine"
  /** Raw sockets with one write per tick: the bound. */
  | "limit"
  /** Raw sockets on the legs of an emit from node to node: the bound. */
  | "legs"
  | "Socket.IO"
  /** Socket.IO, whose adapter writes each message to a stream of Redis and reads it there. */
  | "streams"
  | "crossws";

/** One server program on one runtime. */
export interface Contender {
  readonly kind: Kind;
  readonly runtime: RuntimeName;
  /** Below bench/. */
  readonly file: string;
  readonly dialect: Dialect;
}

const FILES: readonly [
  kind: Kind,
  file: string,
  runtimes: readonly RuntimeName[],
][] = [
  ["meshsocket", "servers/meshsocket.ts", ["node", "bun", "deno"]],
  ["v1", "servers/meshsocket.ts", ["node", "bun", "deno"]],
  ["tagged", "servers/meshsocket.ts", ["node", "bun", "deno"]],
  ["kept", "servers/meshsocket.ts", ["node", "bun", "deno"]],
  ["limit", "servers/raw.ts", ["node", "bun", "deno"]],
  ["legs", "servers/legs.ts", ["node", "bun", "deno"]],
  ["native", "servers/ws.ts", ["node"]],
  ["native", "servers/bun.ts", ["bun"]],
  ["native", "servers/deno.ts", ["deno"]],
  ["engine", "servers/ws.ts", ["deno"]],
  ["Socket.IO", "peers/socketio.ts", ["node", "bun"]],
  ["streams", "peers/socketio.ts", ["node"]],
  ["crossws", "peers/crossws.ts", ["node", "bun", "deno"]],
];

export const contenders: readonly Contender[] = FILES.flatMap((
  [kind, file, runtimes],
) =>
  runtimes.map((runtime) =>
    ({
      kind,
      runtime,
      file,
      dialect: dialectOf(kind),
    }) as const
  )
);

function dialectOf(kind: Kind): Dialect {
  if (kind === "Socket.IO" || kind === "streams") return "socketio";
  return kind === "v1" || kind === "tagged" ? kind : "plain";
}

export function nameOf({ kind, runtime }: Contender): string {
  return `${kind} on ${runtime}`;
}
