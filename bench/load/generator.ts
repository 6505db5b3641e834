/**
 * The load generator: takes a job as JSON in its argument, drives the servers, and prints the result as JSON.
 *
 * It writes frames that were made before and counts what comes back by the lengths in the headers alone, so that it
 * costs less than any server that it drives; `generatorBusy` of the result says how much.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { LoadClient } from "./client.ts";
import { cpuMs, processesMs } from "./cpu.ts";
import { type Drive, drive } from "./drive.ts";
import { clientFrame } from "./frames.ts";
import type { Job, JobResult } from "./job.ts";

const DEFAULT_DIALLING = 100;

let running: Drive | undefined;
let lost = 0;
let ending = false;

function makeClients(job: Job): LoadClient[] {
  return Array.from(
    { length: job.clients },
    (_, index) =>
      new LoadClient(index, {
        host: job.host ?? "127.0.0.1",
        port: job.ports[index % job.ports.length] ?? 0,
        dialect: job.dialect,
        id: `c${index}`,
        topic: topicOf(job, index),
        tls: job.tls ?? false,
        deflate: job.deflate ?? false,
        onFrames: (client, frames) => running?.received(client, frames),
        onLost: () => {
          if (!ending) lost++;
        },
      }),
  );
}

function topicOf(job: Job, index: number): string {
  const listens = job.shape === "topics" || (job.shape === "traffic" && index >= (2 * job.clients) / 3);
  return listens ? `t${Math.floor(index / (job.perTopic ?? 10))}` : "";
}

/** Clients that come and go before others are measured: the compiler counts as the processor time of the server, too. */
async function warmUp(job: Job): Promise<void> {
  const clients = makeClients({ ...job, clients: job.warmupClients ?? 0 });
  await openAll(clients, job.dialling ?? DEFAULT_DIALLING);
  ending = true;
  for (const client of clients) client.close();
  await sleep(clients.length > 0 ? 1_000 : 0);
  ending = false;
}

/** The longest warm-up, in times of that of a job. */
const MOST_WARMUPS = 4;

/**
 * Waits until the code of the servers is compiled: that takes processor time, of which they get less than half while the machine does
 * other things.
 */
async function warm({ warmupMs, pids }: Job): Promise<void> {
  const from = processesMs(pids);
  const until = performance.now() + MOST_WARMUPS * warmupMs;
  await sleep(warmupMs);
  const used = (): number => processesMs(pids) - from;
  // Where the system tells no processor time, none was used.
  if (used() === 0) return;
  while (used() < warmupMs / 2 && performance.now() < until) await sleep(warmupMs / 10);
}

async function openAll(
  clients: readonly LoadClient[],
  atOnce: number,
): Promise<number> {
  const started = performance.now();
  const waiting = clients.values();
  const open = async (): Promise<void> => {
    for (const client of waiting) await client.open();
  };
  await Promise.all(Array.from({ length: atOnce }, open));
  return performance.now() - started;
}

async function measure(job: Job, clients: LoadClient[]): Promise<JobResult> {
  if (job.shape === "connect") await warmUp(job);
  const serversBefore = processesMs(job.pids);
  const openMs = await openAll(clients, job.dialling ?? DEFAULT_DIALLING);
  const nothing = {
    p50Ms: 0,
    p99Ms: 0,
    kept: 1,
    bytesPerDelivery: 0,
    generatorBusy: 0,
    serverBusy: 0,
    perCpuSecond: 0,
  };
  if (job.shape === "connect") {
    const serversMs = processesMs(job.pids) - serversBefore;
    const perCpuSecond = serversMs > 0 ? clients.length / (serversMs / 1000) : 0;
    return { ...nothing, perSecond: clients.length / (openMs / 1000), perCpuSecond, lost };
  }
  if (job.shape === "recover") return { ...nothing, ...await recover(job, clients), lost };
  await sleep(200);
  running = drive(job, clients);
  running.start();
  await warm(job);
  running.reset();
  const from = performance.now();
  const busyFrom = cpuMs();
  const bytesFrom = receivedBytes(clients);
  const serversFrom = processesMs(job.pids);
  await sleep(job.measureMs);
  const ms = performance.now() - from;
  const serverBusy = (processesMs(job.pids) - serversFrom) / ms;
  const result = running.result(ms);
  const perCpuSecond = serverBusy > 0 ? result.perSecond / serverBusy : 0;
  const bytesPerDelivery = (receivedBytes(clients) - bytesFrom) / (result.perSecond * ms / 1000);
  return { ...result, lost, bytesPerDelivery, generatorBusy: (cpuMs() - busyFrom) / ms, serverBusy, perCpuSecond };
}

function receivedBytes(clients: readonly LoadClient[]): number {
  return clients.reduce((sum, client) => sum + client.receivedBytes, 0);
}

const RECOVERED = 200;

/** All clients subscribe from the newest messages at once; done when each has them and the answer. */
async function recover(
  job: Job,
  clients: readonly LoadClient[],
): Promise<Pick<JobResult, "perSecond" | "p50Ms" | "p99Ms">> {
  const [first] = clients;
  if (!first) throw new Error("it needs clients");
  first.frame = clientFrame(`pt0:${"x".repeat(job.payloadBytes - 4)}`);
  first.send(RECOVERED);
  await sleep(500);
  console.log("{}");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  const startedAt = performance.now();
  const tookMs: number[] = [];
  const done = Promise.withResolvers<void>();
  running = {
    start() {},
    reset() {},
    result: () => ({ perSecond: 0, p50Ms: 0, p99Ms: 0, kept: 1 }),
    received({ received }, frames) {
      const all = RECOVERED + 1;
      if (received >= all && received - frames < all) tookMs.push(performance.now() - startedAt);
      if (tookMs.length === clients.length) done.resolve();
    },
  };
  const line = `~subscribe 1 ${JSON.stringify({ topic: "t0", from: { last: RECOVERED } })}`;
  for (const client of clients) {
    client.frame = clientFrame(line);
    client.send();
  }
  await done.promise;
  const ms = performance.now() - startedAt;
  const quantile = (share: number): number => tookMs[Math.floor(tookMs.length * share)] ?? ms;
  return { perSecond: (clients.length * RECOVERED) / (ms / 1000), p50Ms: quantile(0.5), p99Ms: ms };
}

async function main(): Promise<void> {
  const job = JSON.parse(process.argv[2] ?? "{}") as Job;
  const clients = makeClients(job);
  const result = await measure(job, clients);
  console.log(JSON.stringify(result));
  if (job.hold === true) {
    const deliveries = (): number => clients.reduce((sum, { received }) => sum + received, 0);
    process.stdin.on("data", () => console.log(deliveries()));
    await new Promise((resolve) => process.stdin.on("end", resolve));
  }
  ending = true;
  process.exit(0);
}

await main();
