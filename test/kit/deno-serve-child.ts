/** A server on Deno that was granted the network alone: prints its port, and ends when its client is gone. */
import { serve } from "../../adapters/deno.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Server } from "../../src/hub/serve-options.ts";

const hub = new Hub();
const server: Server = await serve(hub, {
  port: 0,
  hostname: "127.0.0.1",
  session: () => ({ onEvent: (client, message) => client.emit(message), onDisconnect: () => server.close() }),
});
console.log(server.port);
