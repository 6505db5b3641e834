import { serve } from "@hono/node-server";
import { runtime } from "./runtime.ts";

type Handler = (request: Request) => Promise<Response>;

/** What is used here of the globals of Bun and Deno. */
interface Natives {
  Bun: {
    serve(options: { port: 0; hostname: string; idleTimeout: 0; fetch: Handler }): {
      port: number;
      stop(force: true): Promise<void>;
    };
  };
  Deno: {
    serve(options: { port: 0; hostname: string; onListen(): void }, handler: Handler): {
      addr: { port: number };
      shutdown(): Promise<void>;
    };
  };
}

const natives = globalThis as unknown as Natives;
const hostname = "127.0.0.1";

/** A fetch handler on a port of this runtime's own server, on loopback; on Node that of Hono. */
export async function serveFetch(handler: Handler): Promise<{ readonly url: string; stop(): Promise<void> }> {
  if (runtime === "bun") {
    // A quiet stream is not an idle connection.
    const server = natives.Bun.serve({ port: 0, hostname, idleTimeout: 0, fetch: handler });
    return { url: `http://${hostname}:${server.port}`, stop: () => server.stop(true) };
  }
  if (runtime === "deno") {
    const server = natives.Deno.serve({ port: 0, hostname, onListen() {} }, handler);
    return { url: `http://${hostname}:${server.addr.port}`, stop: () => server.shutdown() };
  }
  return await new Promise((resolve) => {
    const server = serve({ fetch: handler, port: 0, hostname, overrideGlobalObjects: false }, ({ port }) => {
      const stop = (): Promise<void> => new Promise((done) => void server.close(() => done()));
      resolve({ url: `http://${hostname}:${port}`, stop });
    });
  });
}
