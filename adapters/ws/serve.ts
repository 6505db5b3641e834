import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { refuse } from "../../src/door/admission.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { Logger } from "../../src/base/log/logger.ts";
import type { ServeOptions, Server } from "../../src/hub/serve-options.ts";
import { appFetch } from "../shared/app-fetch.ts";
import { opened } from "../shared/opened.ts";
import { keepListening } from "../shared/keep-listening.ts";
import { type OpenPort, start, type StartRpc } from "../shared/start.ts";
import { isOnPath, refuseLostUpgrade } from "../shared/upgrade-options.ts";
import { admitRoute } from "./attach.ts";
import { toRequest } from "./request.ts";
import { respond } from "./respond.ts";
import { addUpgradeRoute } from "./upgrade.ts";

/** A client that stalls in the middle of its headers is cut after this time. */
const HEADERS_TIMEOUT_MS = 15_000;
const CHECK_INTERVAL_MS = 2_000;
/** How long requests that are under way may take after the hub is drained. */
const STOP_TIMEOUT_MS = 2_000;

type NodeServer = HttpServer | HttpsServer;
type Fetch = (request: Request) => Promise<Response>;

/** `serve` on `node:http` with our own frame reader: the part that Node and Deno share. */
export function serveHttp<Data>(
  hub: Hub<Data>,
  options: ServeOptions<Data>,
  startRpc?: StartRpc<Data>,
): Promise<Server> {
  return start(hub, options, {
    startRpc,
    async openPort(hostname, port) {
      const fetch = appFetch(hub, options);
      const server = createServer(fetch, options);
      const admit = admitRoute(hub, options);
      addUpgradeRoute(server, {
        accepts: (request, webSocket) => webSocket && (request.method === "GET" || isOnPath(request, options.path)),
        async answer(request, context, incoming) {
          if (isOnPath(request, options.path)) return await admit.answer(request, context, incoming);
          return await fetch(request);
        },
      });
      return await listen(server, hostname, port, hub.logger);
    },
  });
}

function createServer<Data>(fetch: Fetch, { tls, path }: ServeOptions<Data>): NodeServer {
  const options = { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: CHECK_INTERVAL_MS };
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    void handle(fetch, path, incoming, outgoing);
  };
  // Not imported: that would load each of their exports, and with those of node:http all web classes, which take half of a start.
  if (!tls) return process.getBuiltinModule("node:http").createServer(options, onRequest);
  const secure = { ...options, handshakeTimeout: HEADERS_TIMEOUT_MS, cert: tls.cert, key: tls.key };
  return process.getBuiltinModule("node:https").createServer(secure, onRequest);
}

async function handle(
  fetch: Fetch,
  path: string | undefined,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  let request: Request;
  try {
    request = toRequest(incoming, gone.signal);
  } catch {
    await respond(refuse(400, "this is not a valid request"), outgoing);
    return;
  }
  await respond(refuseLostUpgrade(request, path) ?? (await fetch(request)), outgoing);
}

async function listen(server: NodeServer, hostname: string, port: number, logger: Logger): Promise<OpenPort> {
  await opened(server, { port, host: hostname });
  const address = server.address() as AddressInfo;
  const stopKeeping = keepListening(server, { host: hostname, port: address.port }, logger);
  return {
    port: address.port,
    hostname,
    stop: () => {
      stopKeeping();
      return stop(server);
    },
  };
}

async function stop(server: NodeServer): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), STOP_TIMEOUT_MS);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}
