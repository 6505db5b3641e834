import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Events, within } from "./wait.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What a foreign tool is to do. */
export interface ToolPlan {
  readonly host: string;
  readonly token?: string;
  /** The folder of the .proto files of health and reflection. */
  readonly protos: string;
  /** Services whose health to check, one line each. */
  readonly check?: readonly string[];
  /** A service whose health to watch, one line for each status. */
  readonly watch?: string;
  /** A method to call with nothing but what reflection tells of it. */
  readonly discover?: { readonly version: "v1" | "v1alpha"; readonly method: string; readonly request: object };
}

/** How a call of a tool ended. */
export interface ToolResult {
  readonly code: number;
  readonly response?: unknown;
  readonly services?: readonly string[];
}

/** A running tool. */
export interface Tool {
  /** The next line that it printed, as JSON. */
  next(): Promise<unknown>;
  readonly ended: Promise<unknown>;
  kill(): void;
}

/** Starts a foreign tool, in a process of its own on Node. */
export function startTool(plan: Omit<ToolPlan, "protos">): Tool {
  const script = join(ROOT, "test", "kit", "grpc-tools-child.ts");
  const child = spawn(join(ROOT, "node_modules", ".bin", "node"), [script], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = new Events<string>("a line of the tool");
  createInterface({ input: child.stdout }).on("line", (line) => lines.add(line));
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify({ ...plan, protos: join(ROOT, "proto") }));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return {
    next: async () => JSON.parse(await lines.next()) as unknown,
    ended: within("the end of the tool", ended, 30_000),
    kill: () => void child.kill("SIGKILL"),
  };
}
