import { checkOptions, checkPath, kindOf, type OptionTable } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import { Hub } from "./hub.ts";

/**
 * Answers the probes of load balancers and orchestrators: `/livez` and `/readyz`, in JSON; undefined for any other request.
 *
 * `serve({ health: true })` does this for you. Use it in a server of your own, before your routes, on any runtime.
 *
 * - `/livez`: 200 until the hub is closed. Restart the process if it fails.
 * - `/readyz`: 200 if the hub is ready, or else 503 with the status, since when, and why. Send no new clients if it fails.
 *
 * The answers are never cached, and hold no secret; they name hosts of the cluster. HEAD gets the same without a body,
 * another method than GET and HEAD gets 405. Throws a TypeError (`invalid_argument`) for bad options.
 *
 * ```ts
 * import { healthHandler } from "meshsocket";
 *
 * const health = healthHandler(hub, { readyz: "/healthz" });
 * const fetch = (request: Request) => health(request) ?? new Response("hello");
 * ```
 */
export function healthHandler<Data = unknown>(
  hub: Hub<Data>,
  options: HealthOptions = {},
): (request: Request) => Response | undefined {
  if (!(hub instanceof Hub)) {
    throw invalidArgument(`the hub must be a Hub or a DistHub, not ${kindOf(hub)}: write healthHandler(hub)`);
  }
  const { livez, readyz } = checkedPaths(options);
  return (request) => {
    // Bun gives a bare path as the URL of a request without a Host.
    const pathname = URL.parse(request.url, "http://localhost")?.pathname;
    if (pathname !== livez && pathname !== readyz) return undefined;
    const { method } = request;
    if (method !== "GET" && method !== "HEAD") {
      return new Response(null, { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const readiness = hub.readiness;
    const live = readiness.status !== "closed";
    return pathname === livez
      ? answer(method, live, { live, status: readiness.status })
      : answer(method, readiness.ready, readiness);
  };
}

function answer(method: string, good: boolean, body: object): Response {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return new Response(method === "HEAD" ? null : `${JSON.stringify(body)}\n`, { status: good ? 200 : 503, headers });
}

/** The paths of the probes. */
export interface HealthOptions {
  /** Whether the process is alive. Default `/livez`. */
  livez?: string;
  /** Whether the hub is ready for new clients. Default `/readyz`. */
  readyz?: string;
}

const DEFAULT_PATHS: Required<HealthOptions> = { livez: "/livez", readyz: "/readyz" };

const HEALTH_OPTIONS: OptionTable<HealthOptions> = { livez: checkPath, readyz: checkPath };

/** Throws a TypeError (`invalid_argument`) unless it can be the `health` of `serve`, next to the path of its WebSockets. */
export function checkServeHealth(health: unknown, webSocketPath: string | undefined): void {
  if (health === undefined || health === false) return;
  if (health !== true && (typeof health !== "object" || health === null)) {
    throw invalidArgument(
      `health must be true, false, or an object with the paths livez and readyz, not ${kindOf(health)}`,
    );
  }
  const { livez, readyz } = checkedPaths(health === true ? {} : health);
  if (livez !== webSocketPath && readyz !== webSocketPath) return;
  throw invalidArgument(
    `path and health must differ, and both have ${JSON.stringify(webSocketPath)}: set another path`,
  );
}

/** The paths of the probes of `serve`. */
export function healthPaths(health: boolean | HealthOptions | undefined): readonly string[] {
  return health === undefined || health === false ? [] : Object.values(checkedPaths(health === true ? {} : health));
}

function checkedPaths(options: unknown): Required<HealthOptions> {
  checkOptions<HealthOptions>("health", options, HEALTH_OPTIONS, "health.");
  const { livez = DEFAULT_PATHS.livez, readyz = DEFAULT_PATHS.readyz } = options;
  if (livez !== readyz) return { livez, readyz };
  throw invalidArgument(`health.livez and health.readyz must be two paths, not both ${JSON.stringify(livez)}`);
}
