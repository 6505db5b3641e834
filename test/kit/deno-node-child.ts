/** A node of a cluster on Deno that looks for its own address: prints its status, and ends. */
import { serve } from "../../adapters/deno.ts";
import { DistHub, MemoryStorage } from "../../src/index.ts";

const hub = new DistHub({ storage: new MemoryStorage(), secret: "s".repeat(32) });
const server = await serve(hub, { port: 0, hostname: "127.0.0.1", session: () => ({}), rpc: { hostname: "0.0.0.0" } });
console.log(hub.status);
await server.close();
