/** The runtime that the code runs on: each needs its own way around something of its HTTP/2. */
export type Runtime = "node" | "bun" | "deno";

/** The runtime of this process. An entry may be imported on another than its own: `meshsocket/node` on Bun, for one. */
export function runtimeHere(): Runtime {
  if ("Bun" in globalThis) return "bun";
  return "Deno" in globalThis ? "deno" : "node";
}
