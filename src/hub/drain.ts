import { CloseCode } from "../base/close-code.ts";
import type { Clients } from "../client/clients.ts";
import type { HubClient } from "../client/hub-client.ts";
import type { Registry } from "./registry.ts";
import { settledWithin } from "../send/deadline.ts";

const SLICE_MS = 100;
const MIN_SPREAD_MS = 1_000;
/** Nodes that are asked to take over a client that is away, one after the other. */
const MAX_TURNS = 3;

/**
 * Closes all connections with 1012 and a hint when to come back, in slices over `drainMs`. Settles when they are gone or were
 * cut, and the clients of `meshsocket.v1` have come back on other nodes, or had the time to: many take longer than a few, so that
 * each that comes gives the others more. Then other nodes take over those that are away. What is left is lost.
 */
export async function drainClients<Data>(
  clients: Clients<Data>,
  registry: Pick<Registry<Data>, "offer" | "others">,
  { drainMs, closeTimeoutMs, timeoutMs }: DrainTimes,
): Promise<void> {
  const spreadMs = Math.max(MIN_SPREAD_MS, drainMs);
  const all = [...clients.values()];
  const slices = Math.max(1, Math.ceil(drainMs / SLICE_MS));
  const perSlice = Math.ceil(all.length / slices);
  const gone: Promise<void>[] = [];
  for (let start = 0; start < all.length; start += perSlice) {
    if (start > 0) await new Promise((resolve) => setTimeout(resolve, SLICE_MS));
    for (const client of all.slice(start, start + perSlice)) {
      if (client.connection) gone.push(client.connection.gone());
      sendAway(client, Math.round(Math.random() * spreadMs));
    }
  }
  await settledWithin(Promise.all(gone), closeTimeoutMs + SLICE_MS);
  if (registry.others > 0) await moved(clients, spreadMs + timeoutMs, timeoutMs);
  for (let turn = 0; clients.size > 0 && turn < Math.min(registry.others, MAX_TURNS); turn++) {
    if (await registry.offer([...clients.values()], turn) > 0) await moved(clients, timeoutMs, timeoutMs);
  }
  for (const client of [...clients.values()]) client.lose("closed");
}

/** Waits at least `ms` for the clients to come back on other nodes, and longer as long as one did within `quietMs`, or is on its way there, or here. */
async function moved<Data>(clients: Clients<Data>, ms: number, quietMs: number): Promise<void> {
  let untilMs = performance.now() + ms;
  while (clients.size > 0 && performance.now() < untilMs) {
    const { size } = clients;
    await settledWithin(clients.emptied(), SLICE_MS);
    const moving = clients.size < size ||
      [...clients.values()].some(({ arrival, leaving }) => leaving || arrival !== undefined);
    if (moving) untilMs = Math.max(untilMs, performance.now() + quietMs);
  }
}

/** How long the parts of a drain may take, in milliseconds. */
interface DrainTimes {
  readonly drainMs: number;
  readonly closeTimeoutMs: number;
  /** After the time that the clients were told, and after each that moved. */
  readonly timeoutMs: number;
}

/** Tells a client when to come back: at random, so that they do not all come at once. */
function sendAway<Data>(client: HubClient<Data>, retryAfterMs: number): void {
  // One that is still on its way here is sent away when it arrived.
  if (client.arrival) return;
  client.v1?.bye(retryAfterMs);
  client.interrupt(CloseCode.ServiceRestart, JSON.stringify({ retryAfterMs }));
}
