import { spawn } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** The folder of the installed programs; it stands first on the PATH of everything that runs here. */
export const bin: string = join(root, "node_modules", ".bin");

/** How a command ended. */
export interface Outcome {
  /** The exit code; undefined when a signal ended it. */
  code: number | undefined;
  /** Its output, both streams in the order of arrival. */
  output: string;
  /** Whether it was killed because its time was over. */
  timedOut: boolean;
  /** Whether it left processes behind, which were killed. */
  leftBehind: boolean;
  seconds: number;
}

/** How {@link run} runs a command. */
export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Default 10 minutes. */
  timeoutMs?: number;
}

/** How long what a command started may take to end after it. */
const END_MS = 2_000;

const groups = new Set<number>();

/** Runs a command to its end, in a process group of its own so that nothing of it survives. Never rejects. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const started = performance.now();
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: { ...quietEnvironment(), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const group = child.pid;
  if (group !== undefined) groups.add(group);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    let timedOut = false;
    let leftBehind = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(group);
    }, options.timeoutMs ?? 600_000);
    // A process that outlives its parent holds the pipes open and would keep "close" from coming.
    const alone = new Promise<void>((settle) => {
      child.once("exit", () => {
        void outlives(group).then((some) => {
          leftBehind = some && killGroup(group);
          settle();
        });
      });
      child.once("error", () => settle());
    });
    const end = async (code: number | null): Promise<void> => {
      await alone;
      clearTimeout(timer);
      if (group !== undefined) groups.delete(group);
      const output = Buffer.concat(chunks).toString("utf8");
      const seconds = (performance.now() - started) / 1000;
      resolve({ code: code ?? undefined, output, timedOut, leftBehind: leftBehind && !timedOut, seconds });
    };
    child.once("close", (code) => void end(code));
    child.once("error", (error) => {
      chunks.push(Buffer.from(`${command}: ${error.message}\n`));
      void end(127);
    });
  });
}

/** Kills everything that {@link run} has under way: for the end by a signal. */
export function killAll(): void {
  for (const group of groups) killGroup(group);
}

/** Whether something of a process group is still there after the time that an orderly end takes. */
async function outlives(group: number | undefined): Promise<boolean> {
  for (const endMs = performance.now() + END_MS; performance.now() < endMs;) {
    if (!exists(group)) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return exists(group);
}

function exists(group: number | undefined): boolean {
  if (group === undefined) return false;
  try {
    process.kill(-group, 0);
    return true;
  } catch {
    return false;
  }
}

/** Kills what is left of a process group; says whether anything was. */
function killGroup(group: number | undefined): boolean {
  if (group === undefined) return false;
  try {
    process.kill(-group, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

function quietEnvironment(): Record<string, string | undefined> {
  // Deno takes any value of FORCE_COLOR for a yes.
  const { FORCE_COLOR: _, ...inherited } = process.env;
  return {
    ...inherited,
    PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
    NO_COLOR: "1",
    DENO_NO_UPDATE_CHECK: "1",
    DENO_NO_PROMPT: "1",
    DO_NOT_TRACK: "1",
  };
}
