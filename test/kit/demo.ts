import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { type Program, startFile } from "./program.ts";
import { until } from "./until.ts";

/** The demo, as `npm run demo` starts it. */
export interface Demo {
  readonly program: Program;
  /** Of the page with the panes. */
  readonly url: string;
  /** The page of each node by its runtime. */
  readonly nodeUrls: Readonly<Record<string, string>>;
  /** The processes of the demo that are left, itself included. */
  pids(): number[];
  /** Ends it, and waits until it is gone. */
  stop(): Promise<void>;
}

/** How {@link startDemo} starts. */
export interface DemoOptions {
  /** Without it the demo finds no redis-server. */
  redis: boolean;
  /** Default: any free one. */
  port?: string;
}

/** Starts it; rejects with what it printed when it does not come up. */
export async function startDemo({ redis, port = "0" }: DemoOptions): Promise<Demo> {
  const mark = `DEMO_OF_TEST=${randomUUID()}`;
  const [name = "", value = ""] = mark.split("=");
  const env = { PORT: port, [name]: value, ...(!redis && { PATH: "/nowhere" }) };
  const program = startFile("node", "tools/demo.ts", { env, group: true });
  const [, url = ""] = await program.match(/^open (\S+)/m);
  const nodes = [...program.output.matchAll(/^(Node|Bun|Deno) \S+ +(\S+) /gm)];
  return {
    program,
    url,
    nodeUrls: Object.fromEntries(nodes.map(([, runtime = "", nodeUrl = ""]) => [runtime, nodeUrl])),
    pids: () => processesWith(mark),
    async stop() {
      program.kill("SIGINT");
      await program.ended;
      await until("the demo's processes to end", () => processesWith(mark).length === 0);
    },
  };
}

/** The living processes whose environment holds a variable. */
function processesWith(variable: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(variable)).map(
    Number,
  );
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    // It ended meanwhile.
    return [];
  }
}
