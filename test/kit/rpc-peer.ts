import { spawn } from "node:child_process";
import process from "node:process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runtime } from "./runtime.ts";
import { within } from "./wait.ts";

/** A toy node in another process of this runtime. */
export interface RpcPeer {
  readonly host: string;
  /** Waits until an `Emit` for the id arrived there. */
  arrived(id: string): Promise<void>;
  /** Sends it a signal, such as SIGSTOP. */
  signal(name: NodeJS.Signals): void;
  /** Kills it, paused or not; resolves when it is gone. */
  kill(): Promise<void>;
}

/** Starts a toy node that can be killed and paused. */
export async function startPeer(): Promise<RpcPeer> {
  const script = fileURLToPath(new URL("rpc-child.ts", import.meta.url));
  const args = runtime === "deno" ? ["run", "-A", "--no-check", script] : [script];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  // Not child.kill(): Deno's takes a child that was sent any signal for dead.
  const signal = (name: NodeJS.Signals): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(child.pid, name);
  };
  const kill = async (): Promise<void> => {
    signal("SIGKILL");
    await gone;
  };
  const lines = new Lines(child.stdout);
  try {
    const host = await lines.find("the address of the peer", (line) => line.includes(":"));
    const arrived = async (id: string): Promise<void> =>
      void (await lines.find(`the call ${id}`, (line) => line === id));
    return { host, arrived, signal, kill };
  } catch (error) {
    await kill();
    throw error;
  }
}

/** What a process said so far, line by line. */
class Lines {
  #text = "";
  #wake: () => void = () => {};

  constructor(stdout: Readable) {
    stdout.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString();
      this.#wake();
    });
  }

  async find(what: string, matches: (line: string) => boolean): Promise<string> {
    const found = new Promise<string>((resolve) => {
      this.#wake = () => {
        const line = this.#text.split("\n").slice(0, -1).find(matches);
        if (line !== undefined) resolve(line);
      };
      this.#wake();
    });
    return await within(what, found);
  }
}
