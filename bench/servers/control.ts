import process from "node:process";

/** The answer of a server that is asked about itself. */
export interface ServerStats {
  rssBytes: number;
  heapBytes: number;
  /** How late the event loop was since the last question: the 99th percentile, in milliseconds. */
  lagP99Ms: number;
  /** Its processor time, in milliseconds. */
  cpuMs: number;
}

const LAG_TICK_MS = 5;

/** How a server is started: the JSON in its argument. */
export interface ServerSetup {
  /** Where the server listens. Default 127.0.0.1. */
  hostname?: string;
  /** Of a cluster: the storage's HTTP endpoint and its token. */
  storage?: { url: string; token: string };
  /** Of a cluster with a broker: the port of the Redis server. */
  redisPort?: number;
  /** The storage is reached over TCP, at `redisPort`. */
  tcp?: boolean;
  /** Topics keep their newest 200 messages in Redis. */
  history?: boolean;
  /** Of raw servers: `host:port` of the nodes that were started before. */
  nodes?: readonly string[];
  /** The server answers `/metrics`. */
  metrics?: boolean;
  /** The certificate and key of a server over TLS. */
  tls?: { cert: string; key: string };
  /** Messages are compressed for the clients that offer it. */
  compress?: boolean;
}

export function setup(): ServerSetup {
  return JSON.parse(process.argv[2] ?? "{}") as ServerSetup;
}

/** Says that the server listens, and answers `stats`, `settled` and `cpu` until stdin ends, which ends the process. */
export function ready(port: number, rpc?: string): void {
  let lags: number[] = [];
  let due = performance.now() + LAG_TICK_MS;
  setInterval(() => {
    const now = performance.now();
    lags.push(Math.max(0, now - due));
    due = now + LAG_TICK_MS;
  }, LAG_TICK_MS);
  process.stdin.setEncoding("utf8").on("data", (asked: string) => {
    if (asked === "cpu\n") return console.log(cpuMs());
    collectGarbage(asked === "settled\n");
    lags.sort((left, right) => left - right);
    const { rss, heapUsed } = process.memoryUsage();
    const stats: ServerStats = {
      rssBytes: rss,
      heapBytes: heapUsed,
      lagP99Ms: lags[Math.floor(lags.length * 0.99)] ?? 0,
      cpuMs: cpuMs(),
    };
    lags = [];
    // The collection is no lag of the server.
    due = performance.now() + LAG_TICK_MS;
    console.log(JSON.stringify(stats));
  });
  process.stdin.on("end", () => process.exit(0));
  console.log(JSON.stringify({ port, rpc }));
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** `reduce`: as V8 collects by itself once nothing happened for long, which gives the room of its young generation back. */
function collectGarbage(reduce: boolean): void {
  const { gc, Bun } = globalThis as {
    gc?: (options?: { type: "major"; flavor: "last-resort" }) => void;
    Bun?: { gc(force: boolean): void };
  };
  if (Bun) Bun.gc(true);
  else if (reduce) gc?.({ type: "major", flavor: "last-resort" });
  else gc?.();
}
