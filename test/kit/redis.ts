import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { HISTORY_SCRIPTS } from "../../src/history/scripts.ts";
import { REDIS_SCRIPTS } from "../../src/storage/redis/scripts.ts";
import { type EndpointServerOptions, serveRedisEndpoint } from "../../cli/redis-endpoint.ts";
import type { RedisConfig } from "../../src/storage/redis/redis.ts";
import { connectRedis, type Reply } from "../../cli/redis-tcp.ts";

/** A real redis-server of this test alone, with the HTTP endpoint in front. */
export interface TestRedis {
  /** The endpoint, as a RedisStorage takes it. */
  readonly target: RedisConfig;
  readonly url: string;
  readonly token: string;
  /** Of redis-server itself. */
  readonly port: number;
  readonly process: ChildProcess;
  /** Every command that came over HTTP, in order; empty it at will. */
  readonly commands: string[][];
  /** How many commands of each name are in `commands`; a script of RedisStorage counts under its own name ("renew", "set", …). */
  counts(): Record<string, number>;
  /** Forgets everything, as a store that was wiped does. */
  flush(): Promise<void>;
  /** Sends a command to redis-server itself, uncounted. */
  command(...args: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** A real redis-server of this test alone, reached over TCP. */
export interface TestRedisServer {
  readonly port: number;
  readonly process: ChildProcess;
  /** Sends a command to redis-server itself. */
  command(...args: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts one, with more arguments of redis-server if given. `password` is the one that these arguments set. */
export async function startRedisServer(
  args: readonly string[] = [],
  wanted?: number,
  password = "",
): Promise<TestRedisServer> {
  const { child, port } = await startServer(args, wanted);
  const redis = await connectRedis({ redisUrl: `redis://${password && `:${password}@`}127.0.0.1:${port}` });
  return {
    port,
    process: child,
    async command(...words) {
      const [reply] = await redis.pipeline([words]);
      if (reply instanceof Error) throw reply;
      return textOf(reply);
    },
    async stop() {
      await redis.close();
      await end(child);
    },
  };
}

/** A reply with its bytes as text. */
function textOf(reply: Reply | undefined): unknown {
  if (Array.isArray(reply)) return reply.map(textOf);
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : reply;
}

const TOKEN = "test-token";

/** How {@link startRedis} starts. */
export interface StartRedisOptions extends Pick<EndpointServerOptions, "through"> {
  /** A server that runs already and is stopped with this one. Default: one of its own. */
  behind?: TestRedisServer;
}

/** Starts one. `through` sits in front of the endpoint and may delay, drop or break answers. Rejects with one clear line if there is no redis-server. */
export async function startRedis({ behind, ...options }: StartRedisOptions = {}): Promise<TestRedis> {
  const { child, port } = behind === undefined ? await startServer() : { child: behind.process, port: behind.port };
  const commands: string[][] = [];
  const redis = await connectRedis({ socket: { host: "127.0.0.1", port } });
  const endpoint = await serveRedisEndpoint({
    ...options,
    socket: { host: "127.0.0.1", port },
    token: TOKEN,
    onCommand: (args) => commands.push(args),
  });
  const command = async (...args: string[]): Promise<unknown> => (await redis.pipeline([args]))[0];
  return {
    target: { url: endpoint.url, token: TOKEN },
    url: endpoint.url,
    token: TOKEN,
    port,
    process: child,
    commands,
    counts: () => count(commands),
    async flush() {
      await command("FLUSHALL");
    },
    command,
    async stop() {
      await endpoint.close();
      await redis.close();
      await (behind === undefined ? end(child) : behind.stop());
    },
  };
}

/** The name of a command: of the script, where it runs one of ours. */
export function commandName(args: readonly string[]): string {
  const name = (args[0] ?? "").toLowerCase();
  if (name === "evalsha") return SCRIPT_OF_SHA.get(args[1] ?? "") ?? name;
  if (name === "eval") return SCRIPT_OF_SHA.get(sha1(args[1] ?? "")) ?? name;
  return name;
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

const SCRIPT_OF_SHA: ReadonlyMap<string, string> = new Map([
  ...Object.entries(REDIS_SCRIPTS).map(([name, text]) => [sha1(text), name] as const),
  ...Object.entries(HISTORY_SCRIPTS).map(([name, text]) => [sha1(text), `history ${name}`] as const),
]);

function count(commands: readonly string[][]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const args of commands) counts[commandName(args)] = (counts[commandName(args)] ?? 0) + 1;
  return counts;
}

async function startServer(
  args: readonly string[] = [],
  wanted?: number,
): Promise<{ child: ChildProcess; port: number }> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const port = wanted ?? 10_000 + Math.floor(Math.random() * 20_000);
    const child = await startOn(port, args);
    if (child !== undefined) return { child, port };
  }
  throw new Error("redis-server found no free port in 20 attempts");
}

/** Undefined if the port is taken. */
function startOn(port: number, more: readonly string[]): Promise<ChildProcess | undefined> {
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"];
  // A replica writes what it gets to its folder, and any server reads that file when it starts.
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-redis-"));
  const child = spawn("redis-server", [...more, ...args, "--dir", folder], { stdio: ["ignore", "pipe", "inherit"] });
  const kill = (): void => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", kill);
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout.on("data", (chunk: Uint8Array) => {
      output += new TextDecoder().decode(chunk);
      if (/Ready to accept connections|Sentinel ID/.test(output)) resolve(child);
    });
    child.once("error", (error) => reject(new Error(`these tests need a redis-server on the PATH: ${error.message}`)));
    child.once("exit", (code) => {
      rmSync(folder, { recursive: true, force: true });
      process.off("exit", kill);
      if (/in use/i.test(output)) resolve(undefined);
      else reject(new Error(`redis-server ended with ${code ?? "a signal"}: ${output.trim().slice(-400)}`));
    });
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}
