import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { V1_PROTOCOL } from "../../src/wire/v1.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { NodeProcess } from "./node-process.ts";
import { Random } from "./random.ts";
import { RawClient } from "./raw.ts";
import { startRedisServer } from "./redis.ts";
import { notGivenBack, type Resources, resourcesOf } from "./resources.ts";
import type { Runtime } from "./runtime.ts";
import { until } from "./until.ts";

/** A run to make. */
export interface ConnectRunOptions {
  readonly runtime: Runtime;
  /** Connections that come and go. */
  readonly connects: number;
  /** Milliseconds over which they are spread. Default 0: as fast as they come. */
  readonly forMs?: number;
  /** Of the order of their endings. */
  readonly seed: number;
  readonly log?: (line: string) => void;
}

/** The result of a run. */
export interface ConnectResult {
  readonly connects: number;
  /** Held by the node before its clients, after the first tenth of them, and after all. */
  readonly start: Held;
  readonly warm: Held;
  readonly end: Held;
  readonly broken: readonly string[];
}

/** All that a node holds while it has no clients. */
interface Held extends Resources {
  readonly heapBytes: number;
}

/** Connections that are open at once. */
const AT_ONCE = 200;
/** The heap may grow by this much between the first tenth and the end: compiled code, and caches that have their bounds. */
const ROOM_HEAP_BYTES = 6_000_000;
/** How long a client of `meshsocket.v1` whose connection was cut may come back. */
const WINDOW_MS = 500;

/**
 * Connections that come and go on one node of a cluster, in every way that a connection can end. The node must give back their memory and
 * their files, and nothing of them may be left in it or in the storage.
 */
export async function connectRun(
  { runtime, connects, forMs = 0, seed, log = () => {} }: ConnectRunOptions,
): Promise<ConnectResult> {
  const redis = await startRedisServer();
  const storage = { url: `redis://127.0.0.1:${redis.port}`, prefix: "connects" };
  const node = await NodeProcess.start({ runtime, storage, resume: { windowMs: WINDOW_MS } });
  const random = new Random(seed);
  try {
    const start = await held(node);
    let warm = start;
    const fromMs = performance.now();
    for (let done = 0; done < connects; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => comeAndGo(node, done + index, random)));
      node.events.length = 0;
      await sleep(Math.max(0, fromMs + (forMs * (done + AT_ONCE)) / connects - performance.now()));
      if ((done + AT_ONCE) % Math.max(AT_ONCE, connects / 10) !== 0) continue;
      await until("all clients to be gone", async () => (await node.status()).size === 0);
      const now = await held(node);
      if (warm === start) warm = now;
      log(`${done + AT_ONCE} connects on ${runtime}: ${JSON.stringify(now)}`);
    }
    const end = await held(node);
    const left = await idsLeft(storage.url, storage.prefix);
    return { connects, start, warm, end, broken: found(start, warm, end, left) };
  } finally {
    await node.kill();
    await redis.stop();
  }
}

/** How many ids the storage still has. */
async function idsLeft(url: string, prefix: string): Promise<number> {
  const storage = new RedisStorage(url, prefix);
  try {
    return (await Array.fromAsync(storage.all())).length;
  } finally {
    await storage.close();
  }
}

async function held(node: NodeProcess): Promise<Held> {
  const heapBytes = await node.heapBytes();
  return { ...resourcesOf(node.pid), heapBytes };
}

function found(start: Held, warm: Held, end: Held, left: number): string[] {
  const kept = notGivenBack(start, warm, end);
  const grown = end.heapBytes - warm.heapBytes;
  return [
    ...(kept === undefined ? [] : [kept]),
    ...(grown > ROOM_HEAP_BYTES ? [`the heap grew by ${grown} bytes after the first tenth`] : []),
    ...(left > 0 ? [`${left} ids are left in the storage`] : []),
  ];
}

/** One connection, and one of the ways in which it can end. */
async function comeAndGo(node: NodeProcess, number: number, random: Random): Promise<void> {
  const end = random.pick(ENDINGS);
  const client = await RawClient.connect(Number(new URL(node.url).port));
  try {
    await end(client, `/ws?id=${encodeURIComponent(JSON.stringify(`c${number}`))}`);
  } finally {
    client.socket.destroy();
  }
}

type Ending = (client: RawClient, path: string) => Promise<void>;

const CLOSE = 8;
const TEXT = 1;

const ENDINGS: readonly Ending[] = [
  async function closes(client, path) {
    await open(client, path);
    client.frame(CLOSE, Uint8Array.of(3, 232));
    await client.ended();
  },
  async function talksAndCloses(client, path) {
    await open(client, path);
    client.frame(TEXT, new TextEncoder().encode("hi"));
    client.frame(CLOSE, Uint8Array.of(3, 232));
    await client.ended();
  },
  async function isCut(client, path) {
    await open(client, path);
  },
  async function isCutInTheMiddleOfAMessage(client, path) {
    await open(client, path);
    client.socket.write(Uint8Array.of(0x81, 0xfe, 0x10, 0, 0, 0, 0, 0, 1, 2, 3));
  },
  async function breaksTheRules(client, path) {
    await open(client, path);
    client.socket.write(Uint8Array.of(0x83, 0x80, 0, 0, 0, 0));
    await client.ended();
  },
  async function comesHalfway(client, path) {
    client.handshake(path);
    await Promise.resolve();
  },
  async function isRefused(client, path) {
    client.handshake(path, { "sec-websocket-key": undefined });
    await client.status();
  },
  async function doesNotComeBack(client, path) {
    await open(client, path, { "sec-websocket-protocol": V1_PROTOCOL });
  },
];

async function open(client: RawClient, path: string, headers: Record<string, string> = {}): Promise<void> {
  client.handshake(path, headers);
  const status = await client.status();
  if (status !== 101) throw new Error(`a client got ${status} instead of the 101`);
}
