import { ClusterCaller } from "../../adapters/dashboard/cluster-caller.ts";
import { createFetchTransport } from "../../src/rpc/fetch-transport.ts";
import type { BenchServer } from "./processes.ts";

/** How many times as much is watched as is meant: the cost of one look is smaller than the noise of most machines. */
export const TIMES = 10;

/** Somebody who looks at servers under load. */
export interface Watcher {
  readonly name: string;
  readonly title: string;
  /** Begins to look, {@link TIMES} times as much as the title says; resolves, once that is so, with what ends it. */
  start(servers: readonly BenchServer[]): Promise<() => Promise<void>>;
}

const EVERY_MS = 1_000 / TIMES;

export const WATCHERS: readonly Watcher[] = [
  {
    name: "metrics",
    title: "Scraped every second",
    start: (servers) => often(() => Promise.all(servers.map(scrape))),
  },
  {
    name: "tap",
    title: "A tap on one id",
    async start(servers) {
      // Clients with odd numbers are those that other clients send to.
      const ids = Array.from({ length: TIMES }, (_, index) => `c${2 * index + 1}`);
      const stops = await Promise.all(ids.map((id) => tap(servers, id)));
      return async () => void (await Promise.all(stops.map((stop) => stop())));
    },
  },
  {
    name: "dashboard",
    title: "An open dashboard",
    start: (servers) => {
      const caller = callerOf(servers);
      return often(() => caller.call("nodes", (client, options) => client.nodes({ state: true }, options)));
    },
  },
];

async function scrape({ port }: BenchServer): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await response.text();
  if (!text.includes("meshsocket_status")) throw new Error(`the scrape was answered with ${response.status}`);
}

/** Looks now and again and again. */
async function often(look: () => Promise<unknown>): Promise<() => Promise<void>> {
  let last = look();
  let failure: Error | undefined;
  const timer = setInterval(() => {
    last = look().catch((error: unknown) => (failure = new Error("a look failed", { cause: error })));
  }, EVERY_MS);
  await last;
  return async () => {
    clearInterval(timer);
    await last;
    if (failure) throw failure;
  };
}

/** Taps a client that the load sends to; fails if it sees nothing. */
async function tap(servers: readonly BenchServer[], id: string): Promise<() => Promise<void>> {
  const end = new AbortController();
  const { signal } = end;
  const request = { subject: { case: "id", value: id } } as const;
  const messages = callerOf(servers).stream("tap", (client) => client.tap(request, { signal }), signal);
  const waiting = new Set(["opened", "sent"]);
  let all = (): void => {};
  const seen = new Promise<void>((resolve) => (all = resolve));
  const reading = (async () => {
    for await (const { kind } of messages) if (waiting.delete(kind) && waiting.size === 0) all();
  })();
  await Promise.race([seen, reading.then(() => Promise.reject(new Error("the tap ended")))]);
  return async () => {
    end.abort();
    await reading;
  };
}

function callerOf([first]: readonly BenchServer[]): ClusterCaller {
  const host = first?.rpc ?? "";
  const bytes = 67_108_864;
  const transport = createFetchTransport({ baseUrl: `http://${host}`, readMaxBytes: bytes, writeMaxBytes: bytes });
  return new ClusterCaller({ host, transport, timeoutMs: 5_000 });
}
