import { spawn } from "node:child_process";
import process from "node:process";
import { bin, root } from "../../tools/run.ts";
import type { Runtime } from "./runtime.ts";
import { within } from "./wait.ts";

/** A program that a test started, with what it printed so far. */
export interface Program {
  readonly pid: number;
  /** Both streams, in the order of arrival. */
  readonly output: string;
  /** Resolves with the first match in the output; rejects when the program ends or 20 s pass without one. */
  match(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when it ended, with the exit code or the signal. */
  readonly ended: Promise<number | string>;
  kill(signal?: NodeJS.Signals): void;
}

/** How {@link startProgram} starts. */
export interface ProgramOptions {
  env?: Record<string, string>;
  /** In a process group of its own, as a terminal starts what is typed; `kill` then goes to the whole group. */
  group?: boolean;
}

const START_MS = 20_000;

/** Settings of the tests' own environment that would change what a program does. */
const SETTINGS = /^(?:PORT|HOST|ADVERTISE|RPC_\w+|MESHSOCKET_\w+|UPSTASH_\w+|FORCE_COLOR|npm_\w+)$/;

const running = new Set<Program>();

/** Kills what a failed test left running: a file's `after`, or it would wait for its children forever. */
export async function killPrograms(): Promise<void> {
  for (const program of running) program.kill();
  await Promise.all([...running].map(({ ended }) => ended));
}

/** Starts a program in the root of the tree; it does not outlive this process. */
export function startProgram(command: string, args: readonly string[], options: ProgramOptions = {}): Program {
  const inherited = Object.entries(process.env).filter(([name]) => !SETTINGS.test(name));
  const env = { ...Object.fromEntries(inherited), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env };
  const { group = false } = options;
  const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"], detached: group });
  const pid = child.pid ?? 0;
  const kill = (signal: NodeJS.Signals = "SIGKILL"): void => {
    // Not child.kill: Deno then says that the signal ended it, whatever the program did.
    if (pid !== 0) process.kill(group ? -pid : pid, signal);
  };
  const killAtExit = (): void => void child.kill("SIGKILL");
  process.once("exit", killAtExit);
  let output = "";
  const printed = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      for (const look of printed) look();
    });
  }
  const ended = new Promise<number | string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal ?? "nothing"));
  });
  const program: Program = {
    pid,
    get output() {
      return output;
    },
    async match(pattern) {
      const found = new Promise<RegExpExecArray>((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (!match) return;
          printed.delete(look);
          resolve(match);
        };
        printed.add(look);
        look();
        void ended.then((how) => reject(new Error(`${command} ended with ${how} before ${pattern}: ${output}`)));
      });
      return await within(`${pattern} of ${command} ${args.join(" ")}`, found, START_MS);
    },
    ended,
    kill,
  };
  running.add(program);
  void ended.then(() => {
    running.delete(program);
    process.off("exit", killAtExit);
  });
  return program;
}

/** Starts a TypeScript file on a runtime. */
export function startFile(
  runtime: Runtime,
  file: string,
  options: ProgramOptions & { args?: readonly string[] } = {},
): Program {
  const own = runtime === "deno" ? ["run", "--allow-all", file] : [file];
  return startProgram(`${bin}/${runtime}`, [...own, ...(options.args ?? [])], options);
}
