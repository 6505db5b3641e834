/** What carries the batches between the nodes of an in-memory cluster; `over-calls.ts` changes it for a whole file. */
export const carrier: { lines: "packed" | "calls" } = { lines: "packed" };
