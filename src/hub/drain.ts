import { CloseCode } from "../base/close-code.ts";
import type { Clients } from "../client/clients.ts";
import { settledWithin } from "../send/deadline.ts";

const SLICE_MS = 100;
const MIN_SPREAD_MS = 1_000;

/**
 * Closes all clients with 1012 and a hint when to come back, in slices over `drainMs`. Settles when they are gone or were
 * cut.
 */
export async function drainClients<Data>(
  clients: Clients<Data>,
  drainMs: number,
  closeTimeoutMs: number,
): Promise<void> {
  const all = [...clients.values()];
  const slices = Math.max(1, Math.ceil(drainMs / SLICE_MS));
  const perSlice = Math.ceil(all.length / slices);
  const gone: Promise<void>[] = [];
  for (let start = 0; start < all.length; start += perSlice) {
    if (start > 0) await new Promise((resolve) => setTimeout(resolve, SLICE_MS));
    for (const client of all.slice(start, start + perSlice)) {
      const { connection } = client;
      if (connection) gone.push(connection.gone());
      client.interrupt(CloseCode.ServiceRestart, retryHint(drainMs));
    }
  }
  await settledWithin(Promise.all(gone), closeTimeoutMs + SLICE_MS);
}

/** The reason of the close: when to come back, spread at random, so that the clients do not all come at once. */
function retryHint(drainMs: number): string {
  const spreadMs = Math.max(MIN_SPREAD_MS, drainMs);
  return JSON.stringify({ retryAfterMs: Math.round(Math.random() * spreadMs) });
}
