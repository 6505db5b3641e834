/** A runtime that servers run on. */
export type RuntimeName = "node" | "bun" | "deno";

/** The role of a server in the comparison. */
export type Kind =
  /** This project. */
  | "meshsocket"
  /** The runtime's own engine, used plainly. */
  | "native"
  /** If meshsocket uses another engine than the runtime's own: that one, used plainly. */
  | "engine"
  /** Raw sockets with one write per tick: the bound. */
  | "limit"
  | "Socket.IO"
  | "crossws";

/** One server program on one runtime. */
export interface Contender {
  readonly kind: Kind;
  readonly runtime: RuntimeName;
  /** Below bench/. */
  readonly file: string;
  readonly dialect: "plain" | "socketio";
}

const FILES: readonly [
  kind: Kind,
  file: string,
  runtimes: readonly RuntimeName[],
][] = [
  ["meshsocket", "servers/meshsocket.ts", ["node", "bun", "deno"]],
  ["limit", "servers/raw.ts", ["node", "bun", "deno"]],
  ["native", "servers/ws.ts", ["node"]],
  ["native", "servers/bun.ts", ["bun"]],
  ["native", "servers/deno.ts", ["deno"]],
  ["engine", "servers/ws.ts", ["deno"]],
  ["Socket.IO", "peers/socketio.ts", ["node", "bun"]],
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
      dialect: kind === "Socket.IO" ? "socketio" : "plain",
    }) as const
  )
);

export function nameOf({ kind, runtime }: Contender): string {
  return `${kind} on ${runtime}`;
}
