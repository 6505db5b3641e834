import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtime } from "./runtime.ts";
import { within } from "./wait.ts";

/** A toy node in another process of this runtime. */
export interface RpcPeer {
  readonly host: string;
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
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone;
  };
  try {
    const host = await within(
      "the address of the peer",
      new Promise<string>((resolve) => child.stdout.once("data", (line: Buffer) => resolve(line.toString().trim()))),
    );
    return { host, signal: (name) => void child.kill(name), kill };
  } catch (error) {
    await kill();
    throw error;
  }
}
