import process from "node:process";
import type { Hub } from "../src/hub/hub.ts";
import type { ServeOptions, Server } from "../src/hub/serve-options.ts";

/** The runtime that runs this process. */
export interface ThisRuntime {
  name: "Node" | "Bun" | "Deno";
  version: string;
}

const { bun, deno, node = "" } = process.versions as Record<string, string | undefined>;

export const thisRuntime: ThisRuntime = bun !== undefined
  ? { name: "Bun", version: bun }
  : deno !== undefined
  ? { name: "Deno", version: deno }
  : { name: "Node", version: node };

/** `serve` of this runtime's adapter. */
export async function serve<Data>(hub: Hub<Data>, options: ServeOptions<Data>): Promise<Server> {
  const adapter = thisRuntime.name === "Bun"
    ? await import("../adapters/bun.ts")
    : thisRuntime.name === "Deno"
    ? await import("../adapters/deno.ts")
    : await import("../adapters/node.ts");
  return await adapter.serve(hub, options);
}
