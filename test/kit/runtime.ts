/** The runtimes that the tests run on. */
export type Runtime = "node" | "bun" | "deno";

/** The one that this test runs on. */
export const runtime: Runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
