import { about } from "../../src/base/log/about.ts";
import { refuse } from "../../src/door/admission.ts";
import type { DistServer } from "../../src/distributed/dist-server.ts";
import { invalidArgument, MeshError } from "../../src/base/error.ts";
import { healthHandler } from "../../src/hub/health.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { ServeOptions } from "../../src/hub/serve-options.ts";
import { isDistHub } from "./is-dist-hub.ts";

/** Answers everything but WebSocket upgrades: health and RPC if they are wanted, else the application's `fetch`. Never rejects. */
export function appFetch<Data>(hub: Hub<Data>, options: ServeOptions<Data>): (request: Request) => Promise<Response> {
  const health = healthOf(hub, options);
  const metrics = metricsOf(hub, options);
  const dashboard = dashboardOf(hub, options);
  const rpc = options.publicRpc ? publicRpc(hub) : undefined;
  const answer = async (request: Request): Promise<Response> => {
    try {
      const own = health?.(request) ?? (await metrics?.(request)) ?? (await dashboard?.(request)) ??
        (await rpc?.(request));
      if (own) return own;
      return options.fetch ? await options.fetch(request) : nothingHere(request, options.path);
    } catch (error) {
      hub.logger.error("meshsocket: fetch failed", error, about("fetch_failed"));
      return refuse(500, "internal error");
    }
  };
  return async (request) => {
    const response = await answer(request);
    return hub.status === "draining" || hub.status === "closed" ? lastOf(response) : response;
  };
}

/** An answer after which the connection ends: a proxy must not send the next request into a port that is about to close. */
function lastOf(response: Response): Response {
  try {
    response.headers.set("connection", "close");
    return response;
  } catch {
    // An answer of fetch(), whose headers cannot be changed.
    const headers = new Headers(response.headers);
    headers.set("connection", "close");
    return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
  }
}

/** Answers some of the requests; undefined for any other. */
type AppPart = (request: Request) => Promise<Response | undefined>;

/** The answer of a server without an application: on the path of upgrades it says what to send there. */
function nothingHere(request: Request, path: string | undefined): Response {
  if (path === undefined || new URL(request.url).pathname !== path) return refuse(404, "not found");
  return refuse(426, "this is a WebSocket endpoint", { upgrade: "websocket", connection: "Upgrade" });
}

function healthOf<Data>(hub: Hub<Data>, { health }: ServeOptions<Data>): ReturnType<typeof healthHandler> | undefined {
  if (health === undefined || health === false) return undefined;
  return healthHandler(hub, health === true ? {} : health);
}

function metricsOf<Data>(hub: Hub<Data>, { metrics }: ServeOptions<Data>): AppPart | undefined {
  if (metrics === undefined) return undefined;
  const options = typeof metrics === "string" ? { path: metrics } : metrics;
  // Loaded for those alone who ask for it, and at once: the event loop is watched from then on.
  const handler = import("../../src/metrics/prometheus.ts").then((module) => module.metricsHandler(hub, options));
  handler.catch(() => {});
  return async (request) => (await handler)(request);
}

function dashboardOf<Data>(hub: Hub<Data>, { dashboard: path }: ServeOptions<Data>): AppPart | undefined {
  if (path === undefined) return undefined;
  if (!isDistHub(hub)) throw invalidArgument("dashboard goes with a DistHub: a Hub has no cluster to show");
  if (!hub.hasApiKeys) {
    throw new MeshError(
      "failed_precondition",
      'dashboard needs a key that opens it: new DistHub({ apiKeys: [{ secret: process.env.DASHBOARD_KEY, rights: ["read"] }] })',
    );
  }
  let mounted: Promise<AppPart> | undefined;
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname !== path && !pathname.startsWith(`${path}/`)) return undefined;
    mounted ??= import("../dashboard/mount.ts").then((module) => module.mountDashboard(hub, path));
    return await (await mounted)(request);
  };
}

function publicRpc<Data>(hub: Hub<Data>): AppPart {
  if (!isDistHub(hub)) throw invalidArgument("publicRpc goes with a DistHub: a Hub has no RPC side");
  if (!hub.hasSecret) {
    throw new MeshError("failed_precondition", "publicRpc needs a secret: anybody could call the cluster without one");
  }
  let server: Promise<DistServer<Data>> | undefined;
  return async (request) => {
    // A page cannot hold a token of the cluster: its requests are for the application, if for anybody.
    if (request.headers.has("origin")) return undefined;
    server ??= import("../../src/distributed/dist-server.ts").then((module) => new module.DistServer<Data>(hub));
    return await (await server).fetch(request);
  };
}
