import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { DemoNode } from "./demo-node.ts";
import { root } from "./run.ts";
import { type Runtime, runtimes } from "./runtimes.ts";

/** A node of the demo, in its own process. */
export interface StartedNode extends DemoNode {
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

async function startNode({ name, program }: Runtime, settings: Record<string, string>): Promise<StartedNode> {
  const inherited = Object.entries(process.env).filter(([variable]) => !SETTINGS.test(variable));
  const child = spawn(program, name === "deno" ? ["run", "--allow-all", FILE] : [FILE], {
    cwd: root,
    env: { ...Object.fromEntries(inherited), DENO_NO_UPDATE_CHECK: "1", DENO_NO_PROMPT: "1", ...settings },
    stdio: ["pipe", "pipe", "pipe"],
    // Ctrl-C is for the demo, which ends its nodes in order; should it be killed, they notice by their input.
    detached: true,
  });
  // A node that is gone reads no more.
  child.stdin.on("error", () => {});
  const gone = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
  });
  try {
    const node = await firstLine(child, name, gone);
    let stopping = false;
    void gone.then((how) => stopping || console.log(`the node on ${node.runtime} ended (${how}); the others go on`));
    return {
      ...node,
      stop() {
        stopping = true;
        return stop(child, gone, node.runtime);
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
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
