import type { Job, JobResult } from "../load/job.ts";
import type { ServerSetup } from "../servers/control.ts";
import type { Contender, RuntimeName } from "./contenders.ts";
import { Hosts } from "./hosts.ts";
import { type BenchServer, GENERATOR_CORE, load, SERVER_CORE, startServer } from "./processes.ts";

/** The measurements of one run of a scenario, by name. */
export type Measured = Readonly<Record<string, number>>;

/** The setup that a cluster's servers share. */
export type Cluster = Required<Pick<ServerSetup, "storage" | "redisPort">> & { readonly redisPid: number };

/** Long enough for the code of a server to be compiled: the compiler counts as its processor time, too. */
const WARMUP_MS = 3_000;

export function job(
  contender: Contender,
  servers: BenchServer[],
  measureMs: number,
  more: Partial<Job>,
): Job {
  const { dialect } = contender;
  const ports = servers.map(({ port }) => port);
  const pids = servers.map(({ pid }) => pid);
  const base = {
    shape: "broadcast",
    clients: 1_000,
    outstanding: 1,
    payloadBytes: 64,
  } as const;
  return { ...base, ports, pids, dialect, warmupMs: WARMUP_MS, measureMs, ...more };
}

/** One server, on a core of its own. */
export async function local(
  contender: Contender,
  measureMs: number,
  more: Partial<Job>,
  setup: ServerSetup = {},
  hosts?: Hosts,
): Promise<Measured> {
  const server = await startServer(contender, setup, { inside: hosts?.server });
  try {
    return numbers(await load(job(contender, [server], measureMs, more), { inside: hosts?.generator }));
  } finally {
    await server.stop();
  }
}

/** {@link local} with the clients on another host. */
export async function apart(contender: Contender, measureMs: number, more: Partial<Job>): Promise<Measured> {
  using hosts = new Hosts(SERVER_CORE, GENERATOR_CORE);
  const { address: host } = hosts;
  return await local(contender, measureMs, { ...more, host }, { hostname: host }, hosts);
}

/** A server for each runtime, all of one cluster; the clients are dealt out to them in turn. */
export async function cluster(
  contender: Contender,
  runtimes: readonly RuntimeName[],
  measureMs: number,
  shared: Cluster,
  more: Partial<Job>,
): Promise<Measured> {
  const servers: BenchServer[] = [];
  try {
    for (const runtime of runtimes) {
      const nodes = servers.map(({ rpc }) => rpc);
      servers.push(await startServer({ ...contender, runtime }, { ...shared, nodes }, { spread: true }));
    }
    return numbers(await load(job(contender, servers, measureMs, more), { spread: true }));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

export function numbers(result: JobResult): Measured {
  return { ...result };
}
