/**
 * An edge function that sends to a client of the cluster: no connections, nothing but fetch.
 *
 *   POST /<id> with the message as its body
 *
 * It reaches the cluster through any one node: by a public port with `publicRpc`, or by an RPC port. Run it with
 * examples/edge/run.ts. A real one would first ask who calls.
 */
import { createToken, DistClient } from "../../src/index.ts"; // in a project of yours: "meshsocket"

/** The settings of the function. */
export interface Env {
  /** `http://host:port` of a node, or of a load balancer before them. */
  MESHSOCKET_URL: string;
  MESHSOCKET_SECRET: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.method !== "POST") return new Response("POST a message to /<id>", { status: 405 });
    const id = decodeURIComponent(new URL(request.url).pathname.slice(1));
    using cluster = new DistClient({
      url: env.MESHSOCKET_URL,
      token: () => createToken({ secret: env.MESHSOCKET_SECRET, audience: "cluster" }),
    });
    const accepted = await cluster.emit(id, await request.text());
    return Response.json({ accepted }, { status: accepted ? 200 : 404 });
  },
};
