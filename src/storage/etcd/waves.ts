/** At most this many requests at once for one call. */
const WAVE = 8;

/** Runs work for every item, a few at once; returns the results in their order. Rejects with the first failure, after its wave. */
export async function inWaves<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  for (let start = 0; start < items.length; start += WAVE) {
    results.push(...await Promise.all(items.slice(start, start + WAVE).map(work)));
  }
  return results;
}

/** At most this many operations in one transaction, and bytes of them. etcd refuses 128, and 1.5 MiB. */
export const TRANSACTION_ITEMS = 96;
export const TRANSACTION_BYTES = 1_000_000;

/** Cuts items into slices that one transaction may carry, none with a key twice. `key` is also the part that can be long. */
export function transactionSlices<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const slices: T[][] = [];
  let keys = new Set<string>();
  let bytes = Infinity;
  for (const item of items) {
    const name = key(item);
    // A key is in several operations and conditions of its transaction.
    const size = 6 * name.length + 200;
    const current = slices.at(-1);
    if (
      current === undefined || current.length === TRANSACTION_ITEMS || bytes + size > TRANSACTION_BYTES ||
      keys.has(name)
    ) {
      slices.push([item]);
      keys = new Set([name]);
      bytes = size;
    } else {
      current.push(item);
      keys.add(name);
      bytes += size;
    }
  }
  return slices;
}
