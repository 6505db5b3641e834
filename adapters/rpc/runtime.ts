/** The runtime that the code runs on: each needs its own way around something of its HTTP/2. */
export type Runtime = "node" | "bun" | "deno";
