/** The dashboard on a port of its own, with a key of its own: `npx meshsocket dashboard` (`../dashboard-command.ts`). */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ClusterCaller } from "../../adapters/dashboard/cluster-caller.ts";
import { Dashboard } from "../../adapters/dashboard/dashboard.ts";
import { HttpError } from "../../adapters/shared/http-error.ts";
import { opened } from "../../adapters/shared/opened.ts";
import { toRequest } from "../../adapters/ws/request.ts";
import { respond } from "../../adapters/ws/respond.ts";
import { bearerCheck } from "../bearer-check.ts";

/** How a dashboard is served. */
export interface DashboardOptions {
  readonly connection: ClusterCaller;
  /** Opens the calls of the page. */
  readonly key: string;
  readonly hostname: string;
  readonly port: number;
}

/** A dashboard that is served. */
export interface ServedDashboard {
  /** Its address, with the key after the `#`, which a browser sends to nobody. */
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the dashboard. Rejects if the address cannot be listened on. */
export async function serveDashboard(options: DashboardOptions): Promise<ServedDashboard> {
  const dashboard = dashboardOf(options);
  const server = createServer((request, response) => void handle(dashboard, request, response));
  await opened(server, { host: options.hostname, port: options.port });
  const { port, address, family } = server.address() as AddressInfo;
  const name = family === "IPv6" ? `[${address}]` : address;
  return {
    url: `http://${name}:${port}/#key=${encodeURIComponent(options.key)}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const LOCKED = "npx meshsocket dashboard prints the address with its key. Open that address, or paste the key here.";

function dashboardOf({ connection, key }: DashboardOptions): Dashboard {
  const isBearer = bearerCheck(key);
  return new Dashboard({
    byCluster: false,
    locked: LOCKED,
    callerOf: (authorization) => {
      if (!isBearer(authorization)) throw new HttpError(401, LOCKED);
      return connection;
    },
  });
}

async function handle(dashboard: Dashboard, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  let request: Request;
  try {
    request = toRequest(incoming, gone.signal);
  } catch {
    outgoing.writeHead(400).end();
    return;
  }
  await respond(await dashboard.answer(request, new URL(request.url).pathname), outgoing);
}
