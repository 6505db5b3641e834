import type { Runtime } from "../../adapters/rpc/runtime.ts";

/** The runtime that the test runs on. */
export const runtime: Runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
