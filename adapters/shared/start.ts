import { about } from "../../src/base/log/about.ts";
import { anything, checkFlag, checkPath, defined, kindOf, type OptionTable } from "../../src/base/check/check.ts";
import { invalidArgument, MeshError } from "../../src/base/error.ts";
import { checkServeHealth, healthPaths } from "../../src/hub/health.ts";
import { checkServeMetrics, metricsOptions } from "../../src/hub/metrics-options.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { RpcListener, RpcOptions, ServeOptions, Server } from "../../src/hub/serve-options.ts";
import { listenError } from "./listen-error.ts";
import { checkHostname, checkPort } from "./check-address.ts";
import { checkRpcOptions } from "./check-rpc.ts";
import { checkTls } from "./check-tls.ts";
import { checkHub, checkUpgradeOptions, UPGRADE_OPTIONS } from "./upgrade-options.ts";

/** Opens a hub's RPC side and joins its cluster; undefined for a hub that has none. It closes itself with the hub. */
export type StartRpc<Data> = (hub: Hub<Data>, rpc: RpcOptions | undefined) => Promise<RpcListener | undefined>;

/** A public port that was opened. */
export interface OpenPort {
  readonly port: number;
  readonly hostname: string;
  stop(): Promise<void>;
}

/** The parts of {@link start} that differ from runtime to runtime. */
export interface Starter<Data> {
  openPort(hostname: string, port: number): Promise<OpenPort>;
  startRpc?: StartRpc<Data> | undefined;
}

const DEFAULT_PORT = 8080;
const DEFAULT_HOSTNAME = "0.0.0.0";

/** The order in which a node starts: the RPC side, which joins the cluster, and then the public port. */
export async function start<Data>(
  hub: Hub<Data>,
  options: ServeOptions<Data>,
  starter: Starter<Data>,
): Promise<Server> {
  checkHub(USAGE, hub);
  checkOpen(hub);
  checkUpgradeOptions<ServeOptions>(USAGE, options, SERVE_OPTIONS);
  checkServeHealth(options.health, options.path);
  checkServeMetrics(options.metrics, [options.path, ...healthPaths(options.health)]);
  checkDashboardPath(options);
  const { port = DEFAULT_PORT, hostname = DEFAULT_HOSTNAME } = options;
  const rpc = await starter.startRpc?.(hub, options.rpc);
  let open: OpenPort;
  try {
    open = await starter.openPort(hostname, port);
  } catch (error) {
    await rpc?.close();
    throw listenError(error, hostname, port);
  }
  hub.onClose(() => open.stop());
  const url = urlOf(open, options.tls !== undefined);
  hub.logger.info(
    `meshsocket: serving ${url}${options.path ?? ""}${rpc ? `, node ${rpc.host}` : ""}`,
    about("serving", { port: open.port }),
  );
  return {
    port: open.port,
    hostname: open.hostname,
    url,
    rpc,
    close: (closing) => hub.close(closing),
    [Symbol.asyncDispose]: () => hub.close(),
  };
}

function checkDashboardPath<Data>({ dashboard, path, health, metrics }: ServeOptions<Data>): void {
  if (dashboard === undefined) return;
  const others = [path, ...healthPaths(health), ...(metrics === undefined ? [] : [metricsOptions(metrics).path])];
  if (!dashboard.endsWith("/") && !others.includes(dashboard)) return;
  const why = dashboard.endsWith("/")
    ? 'must not end in "/"'
    : `needs a path of its own, and ${JSON.stringify(dashboard)} is taken`;
  throw invalidArgument(`dashboard ${why}: write "/dashboard"`);
}

function checkOpen<Data>(hub: Hub<Data>): void {
  if (hub.status === "draining" || hub.status === "closed") {
    throw new MeshError("failed_precondition", "the hub is closed: make another one");
  }
}

const USAGE = "serve(hub, { port: 8080, session })";

const SERVE_OPTIONS: OptionTable<ServeOptions> = {
  ...UPGRADE_OPTIONS,
  port: checkPort,
  hostname: checkHostname,
  fetch: (name, value) => {
    if (typeof value !== "function") {
      throw invalidArgument(`${name} must be a function from Request to Response, not ${kindOf(value)}`);
    }
  },
  // Checked next to path, from which they must differ.
  health: anything,
  metrics: anything,
  dashboard: defined(checkPath),
  tls: (_, value) => checkTls(value),
  rpc: (_, value) => checkRpcOptions(value),
  publicRpc: checkFlag,
};

function urlOf({ hostname, port }: OpenPort, tls: boolean): string {
  let host = hostname.includes(":") ? `[${hostname}]` : hostname;
  if (hostname === "0.0.0.0") host = "127.0.0.1";
  if (hostname === "::") host = "[::1]";
  return `${tls ? "https" : "http"}://${host}:${port}`;
}
