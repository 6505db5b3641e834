import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { bin, root } from "../../tools/run.ts";
import type { Job, JobResult } from "../load/job.ts";
import type { ServerSetup, ServerStats } from "../servers/control.ts";
import type { Contender, RuntimeName } from "./contenders.ts";

/** A server under test, in a process of its own. */
export interface BenchServer {
  readonly port: number;
  readonly pid: number;
  /** Of a node of a cluster: `host:port` of its RPC. */
  readonly rpc: string;
  /** Its processor time so far, in milliseconds. */
  cpuMs(): Promise<number>;
  /** Collects garbage and tells; the event loop's lag is since the last call. */
  stats(): Promise<ServerStats>;
  /** The same, after V8 gave back what it gives back by itself once nothing happened for long. */
  settled(): Promise<ServerStats>;
  stop(): Promise<void>;
}

const ARGS: Readonly<Record<RuntimeName, readonly string[]>> = {
  node: ["--expose-gc"],
  bun: ["run"],
  deno: ["run", "-A", "--v8-flags=--expose-gc"],
};

/** The cores of the two, where they can be pinned. */
export const SERVER_CORE = 0;
export const GENERATOR_CORE = 1;
const canPin = spawnSync("taskset", ["-c", String(GENERATOR_CORE), "true"]).status === 0;

/** Whether server and generator get a core each. */
export const pinned: boolean = canPin;

function start(
  core: number | undefined,
  program: string,
  args: readonly string[],
  inside: readonly string[] = [],
): ChildProcess {
  const command = [join(bin, program), ...args];
  if (canPin && core !== undefined) {
    command.unshift("taskset", "-c", String(core));
  }
  command.unshift(...inside);
  const [first = "", ...rest] = command;
  const env = {
    ...process.env,
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    NODE_ENV: "production",
  };
  const child = spawn(first, rest, {
    cwd: join(root, "bench"),
    stdio: ["pipe", "pipe", "pipe"],
    env,
  });
  // Writing to a process that has ended is told by its exit.
  child.stdin?.on("error", () => {});
  return child;
}

/** The lines of a process, one by one; rejects with its stderr if it ends before. */
function reader(child: ChildProcess, what: string): () => Promise<string> {
  let errors = "";
  child.stderr?.on(
    "data",
    (chunk: Uint8Array) => (errors += new TextDecoder().decode(chunk)),
  );
  if (!child.stdout) throw new Error("no pipe");
  const input = createInterface({ input: child.stdout });
  const lines = input[Symbol.asyncIterator]();
  return async () => {
    const line = await lines.next();
    if (line.done === true) {
      throw new Error(`${what} ended: ${errors.trim().slice(-600)}`);
    }
    return line.value;
  };
}

/** With BENCH_CPU_PROF=FOLDER the servers on Node write a profile there when they end. */
function profiling({ runtime }: Contender): string[] {
  const folder = process.env["BENCH_CPU_PROF"];
  return folder !== undefined && runtime === "node" ? ["--cpu-prof", `--cpu-prof-dir=${folder}`] : [];
}

/** Starts a server; `spread` leaves the choice of the core to the system, `inside` runs it on a host of its own. */
export async function startServer(
  contender: Contender,
  setup: ServerSetup = {},
  { spread = false, inside }: { spread?: boolean; inside?: readonly string[] | undefined } = {},
): Promise<BenchServer> {
  const args = [
    ...ARGS[contender.runtime],
    ...profiling(contender),
    contender.file,
    JSON.stringify(setup),
  ];
  const child = start(
    spread ? undefined : SERVER_CORE,
    contender.runtime,
    args,
    inside,
  );
  const line = reader(child, contender.file);
  const { port, rpc = "" } = JSON.parse(await line()) as { port: number; rpc?: string };
  const asked = async (what: string): Promise<ServerStats> => {
    child.stdin?.write(`${what}\n`);
    return JSON.parse(await line()) as ServerStats;
  };
  return {
    port,
    rpc,
    pid: child.pid ?? 0,
    async cpuMs() {
      child.stdin?.write("cpu\n");
      return Number(await line());
    },
    stats: () => asked("stats"),
    settled: () => asked("settled"),
    stop: () => stop(child),
  };
}

/**
 * Runs the load generator. `opened` runs when the clients of "recover" are connected and wait; `during` when its result is there, and it
 * goes on as before.
 */
export async function load(
  job: Job,
  options: {
    spread?: boolean;
    inside?: readonly string[] | undefined;
    opened?: () => Promise<void>;
    during?: (deliveries: () => Promise<number>) => Promise<void>;
  } = {},
): Promise<JobResult> {
  const hold = options.during !== undefined;
  const args = ["load/generator.ts", JSON.stringify({ ...job, hold })];
  // Whose sockets cost the least: on the others the generator is full before the fastest servers are.
  const child = start(options.spread === true ? undefined : GENERATOR_CORE, "bun", args, options.inside);
  const line = reader(child, "the generator");
  try {
    if (options.opened) {
      await line();
      await options.opened();
      child.stdin?.write("go\n");
    }
    const result = JSON.parse(await line()) as JobResult;
    await options.during?.(async () => {
      child.stdin?.write("deliveries\n");
      return Number(await line());
    });
    return result;
  } finally {
    await stop(child);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.stdin?.end();
  const timer = setTimeout(() => child.kill("SIGKILL"), 3_000);
  await exited;
  clearTimeout(timer);
}
