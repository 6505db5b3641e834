import { type ChildProcess, spawn } from "node:child_process";

/** A redis-server on 127.0.0.1 that keeps nothing on disk. */
export interface RedisServer {
  readonly port: number;
  readonly version: string;
  readonly pid: number;
  /** Ends it; resolves when it is gone. */
  stop(): Promise<void>;
}

const ATTEMPTS = 20;

/**
 * Becomes redis-server, and kills it when the input ends: with whoever started this, however that ended.
 * Redis itself would not notice.
 */
const SCRIPT = `command -v redis-server >/dev/null || exit 127
exec 3<&0 </dev/null
(read -r line <&3; kill -9 $$) >/dev/null 2>&1 &
exec redis-server "$@" 3<&-`;

/** Starts a redis-server on a free port, in a process group of its own; undefined when none is installed. */
export async function startRedisServer(): Promise<RedisServer | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const outcome = await startOn(port);
    if (outcome === "not installed") return undefined;
    if (outcome !== "port in use") return outcome;
  }
  throw new Error(`redis-server found no free port in ${ATTEMPTS} attempts`);
}

async function startOn(port: number): Promise<RedisServer | "not installed" | "port in use"> {
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"];
  const child = spawn("/bin/sh", ["-c", SCRIPT, "sh", ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  const gone = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let output = "";
  const ready = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Uint8Array) => {
      // Once it is up, its output is read and dropped, so that it never waits for a reader.
      if (output.includes(READY)) return;
      output += new TextDecoder().decode(chunk);
      if (output.includes(READY)) resolve();
    });
  });
  const code = await Promise.race([ready, gone]);
  if (code === undefined) return serverOf(child, port, output, gone);
  if (code === 127) return "not installed";
  if (/in use/i.test(output)) return "port in use";
  throw new Error(`redis-server ended with ${code ?? "a signal"}: ${output.trim().slice(-400)}`);
}

const READY = "Ready to accept connections";

function serverOf(child: ChildProcess, port: number, output: string, gone: Promise<unknown>): RedisServer {
  return {
    port,
    version: /version=([\d.]+)/.exec(output)?.[1] ?? "?",
    pid: child.pid ?? 0,
    async stop() {
      child.stdin?.end();
      await gone;
    },
  };
}
