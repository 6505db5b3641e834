import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** One real etcd process. */
export interface EtcdMember {
  /** Of its JSON gateway. */
  readonly url: string;
  readonly process: ChildProcess;
  /** SIGKILL. Resolves once it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: it takes connections and answers nothing. */
  pause(): void;
  resume(): void;
}

/** A real etcd of this test alone: one member, or a cluster of them. */
export interface TestEtcd {
  readonly endpoints: readonly string[];
  readonly members: readonly EtcdMember[];
  /** Posts to the first member that answers; the answer's JSON. */
  call(path: string, body: unknown): Promise<Record<string, unknown>>;
  /** Every key, one character for each byte. */
  keys(): Promise<string[]>;
  /** Deletes every key. */
  wipe(): Promise<void>;
  /** The names of all leases. */
  leases(): Promise<string[]>;
  revokeAll(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one. Leases of 1 s are possible. Rejects with one clear line if there is no etcd. */
export async function startEtcd(size: 1 | 3 = 1): Promise<TestEtcd> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const members = await startMembers(size);
    if (members !== undefined) return testEtcd(members);
  }
  throw new Error("etcd found no free ports in 20 attempts");
}

function testEtcd(members: readonly EtcdMember[]): TestEtcd {
  const endpoints = members.map(({ url }) => url);
  const call = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
    const living = members.find(({ process: { exitCode, signalCode } }) => exitCode === null && signalCode === null);
    const response = await fetch(`${living?.url}${path}`, { method: "POST", body: JSON.stringify(body) });
    return (await response.json()) as Record<string, unknown>;
  };
  const everything = { key: btoa("\0"), range_end: btoa("\0") };
  const leases = async (): Promise<string[]> => {
    const answer = await call("/v3/lease/leases", {}) as { leases?: { ID: string }[] };
    return (answer.leases ?? []).map(({ ID }) => ID);
  };
  return {
    endpoints,
    members,
    call,
    async keys() {
      const { kvs = [] } = await call("/v3/kv/range", { ...everything, keys_only: true }) as {
        kvs?: { key: string }[];
      };
      return kvs.map(({ key }) => atob(key));
    },
    async wipe() {
      await call("/v3/kv/deleterange", everything);
    },
    leases,
    async revokeAll() {
      for (const ID of await leases()) await call("/v3/lease/revoke", { ID });
    },
    async stop() {
      await Promise.all(members.map((member) => member.kill()));
    },
  };
}

/** Undefined if a port is taken. */
async function startMembers(size: number): Promise<EtcdMember[] | undefined> {
  const base = 10_000 + Math.floor(Math.random() * 20_000);
  const names = Array.from({ length: size }, (_, index) => `m${index}`);
  const peer = (index: number): string => `http://127.0.0.1:${base + 2 * index + 1}`;
  const cluster = names.map((name, index) => `${name}=${peer(index)}`).join(",");
  const started = names.map((name, index) => {
    const url = `http://127.0.0.1:${base + 2 * index}`;
    return startMember(url, [
      ...["--name", name, "--initial-cluster", cluster],
      ...["--listen-peer-urls", peer(index), "--initial-advertise-peer-urls", peer(index)],
    ]);
  });
  const members = await Promise.all(started.map(({ ready }) => ready));
  if (members.every((member) => member !== undefined)) return members;
  await Promise.all(started.map(({ child }) => end(child)));
  return undefined;
}

interface Started {
  readonly child: ChildProcess;
  readonly ready: Promise<EtcdMember | undefined>;
}

function startMember(url: string, args: readonly string[]): Started {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-etcd-"));
  const child = spawn("etcd", [
    ...args,
    ...["--data-dir", folder, "--listen-client-urls", url, "--advertise-client-urls", url],
    // The shortest lease is one and a half election timeouts, in whole seconds.
    ...["--heartbeat-interval", "50", "--election-timeout", "500", "--unsafe-no-fsync"],
  ], { stdio: ["ignore", "ignore", "pipe"], env: environment() });
  const kill = (): void => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", kill);
  let output = "";
  child.stderr?.on("data", (chunk: Uint8Array) => {
    output = (output + new TextDecoder().decode(chunk)).slice(-4_000);
  });
  const ended = new Promise<undefined>((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`these tests need an etcd on the PATH: ${error.message}`)));
    child.once("exit", (code, signal) => {
      process.off("exit", kill);
      rmSync(folder, { recursive: true, force: true });
      if (signal !== null || /in use/i.test(output)) resolve(undefined);
      else reject(new Error(`etcd ended with ${code}: ${output.trim().slice(-400)}`));
    });
  });
  ended.catch(() => {});
  const member: EtcdMember = {
    url,
    process: child,
    kill: () => end(child),
    // By its number: to Deno a child that got one signal is gone.
    pause: () => void (child.pid && process.kill(child.pid, "SIGSTOP")),
    resume: () => void (child.pid && process.kill(child.pid, "SIGCONT")),
  };
  return { child, ready: Promise.race([ended, untilHealthy(url, child).then(() => member)]) };
}

function environment(): NodeJS.ProcessEnv {
  return process.arch === "x64" ? process.env : { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch };
}

async function untilHealthy(url: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const healthy = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1_000) })
      .then(async (response) => (await response.text()).includes("true"), () => false);
    if (healthy) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  await new Promise(() => {});
}

function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}
