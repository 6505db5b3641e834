import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { DemoNode } from "./demo-node.ts";
import { root } from "./run.ts";
import { type Runtime, runtimes } from "./runtimes.ts";

/** A node of the demo, in a process of its own; after a crash it may be started again at the same addresses. */
export interface StartedNode {
  readonly node: DemoNode;
  readonly running: boolean;
  /** Kills its process. */
  kill(): Promise<void>;
  /** Starts it again, if it does not run. */
  start(): Promise<void>;
  /** Ends it in order. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;
const FILE = join(root, "tools", "demo-node.ts");

/** Settings of a node that the demo makes itself, whatever the shell has. */
const SETTINGS = /^(?:PORT|HOST|ADVERTISE|RPC_\w+|MESHSOCKET_\w+|UPSTASH_\w+|FORCE_COLOR)$/;

/** Starts a node on each runtime; rejects, and none is left, when one does not start. */
export async function startDemoNodes(settings: Record<string, string>): Promise<StartedNode[]> {
  const results = await Promise.allSettled(runtimes.map((runtime) => startNode(runtime, settings)));
  const failed = results.find((result) => result.status === "rejected");
  const nodes = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  if (!failed) return nodes;
  await Promise.all(nodes.map((node) => node.stop()));
  throw failed.reason;
}

async function startNode(runtime: Runtime, settings: Record<string, string>): Promise<StartedNode> {
  const started = new NodeProcess(runtime, settings);
  await started.start();
  return started;
}

class NodeProcess implements StartedNode {
  readonly #runtime: Runtime;
  readonly #settings: Record<string, string>;
  #node: DemoNode | undefined;
  #child: ChildProcess | undefined;
  #gone: Promise<string> = Promise.resolve("not started");
  /** Whether its end is wanted. */
  #stopping = false;
  #starting: Promise<void> | undefined;

  constructor(runtime: Runtime, settings: Record<string, string>) {
    this.#runtime = runtime;
    this.#settings = settings;
  }

  get node(): DemoNode {
    if (this.#node) return this.#node;
    throw new Error("the node was never started");
  }

  get running(): boolean {
    return this.#child !== undefined && this.#starting === undefined;
  }

  start(): Promise<void> {
    return (this.#starting ??= this.#start().finally(() => (this.#starting = undefined)));
  }

  async #start(): Promise<void> {
    if (this.#child) return;
    const { name, program } = this.#runtime;
    const child = spawnNode(program, name, { ...this.#settings, ...this.#addresses() });
    const gone = endOf(child);
    this.#child = child;
    this.#gone = gone;
    this.#stopping = false;
    void gone.then((how) => {
      if (this.#child === child) this.#child = undefined;
      if (!this.#stopping) console.log(`the node on ${name} ended (${how}); the others go on`);
    });
    try {
      this.#node = await firstLine(child, name, gone);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  /** Its addresses from before. */
  #addresses(): Record<string, string> {
    if (!this.#node) return {};
    const { url, host } = this.#node;
    return { PORT: new URL(url).port, RPC_PORT: host.slice(host.lastIndexOf(":") + 1) };
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#gone;
  }

  async stop(): Promise<void> {
    await this.#starting?.catch(() => {});
    this.#stopping = true;
    if (this.#child) await stop(this.#child, this.#gone, this.#runtime.name);
  }
}

function spawnNode(program: string, name: string, settings: Record<string, string>): ChildProcess {
  const inherited = Object.entries(process.env).filter(([variable]) => !SETTINGS.test(variable));
  const child = spawn(program, name === "deno" ? ["run", "--allow-all", FILE] : [FILE], {
    cwd: root,
    env: { ...Object.fromEntries(inherited), DENO_NO_UPDATE_CHECK: "1", DENO_NO_PROMPT: "1", ...settings },
    stdio: ["pipe", "pipe", "pipe"],
    // Ctrl-C is for the demo, which ends its nodes in order; should it be killed, they notice by their input.
    detached: true,
  });
  // A node that is gone reads no more.
  child.stdin?.on("error", () => {});
  return child;
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
  });
}

async function firstLine(child: ChildProcess, name: string, gone: Promise<string>): Promise<DemoNode> {
  pass(child.stderr, name, (line) => console.error(line));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const line = new Promise<string>((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not start in time`)), START_TIMEOUT_MS);
    void gone.then((how) => reject(new Error(`the node on ${name} did not start: ${how}`)));
    pass(child.stdout, name, console.log, resolve);
  });
  try {
    return JSON.parse(await line) as DemoNode;
  } finally {
    clearTimeout(timer);
  }
}

/** Passes on what a node prints, under its name; the first line goes elsewhere when `first` is given. */
function pass(
  stream: Readable | null,
  name: string,
  write: (line: string) => void,
  first?: (line: string) => void,
): void {
  if (!stream) return;
  let taken = first === undefined;
  createInterface({ input: stream }).on("line", (line) => {
    if (taken) return write(`[${name}] ${line}`);
    taken = true;
    first?.(line);
  });
}

async function stop(child: ChildProcess, gone: Promise<string>, name: string): Promise<void> {
  const timer = setTimeout(() => {
    console.error(`the node on ${name} did not end in time: killed`);
    child.kill("SIGKILL");
  }, STOP_TIMEOUT_MS);
  child.stdin?.end();
  await gone;
  clearTimeout(timer);
}
