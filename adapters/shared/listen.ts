import { DistHub } from "../../src/distributed/dist-hub.ts";
import { DistServer } from "../../src/distributed/dist-server.ts";
import { invalidArgument, MeshError } from "../../src/base/error.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { rpcBytes } from "../../src/base/limits.ts";
import { localAddress } from "../../src/base/local-address.ts";
import type { RpcListener, RpcOptions } from "../../src/hub/serve-options.ts";
import { openRpcPort } from "../rpc/port.ts";
import { checkRpcOptions } from "./check-rpc.ts";
import type { Runtime } from "../rpc/runtime.ts";
import { transportTo } from "../rpc/transport.ts";
import type { StartRpc } from "./start.ts";

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/;
const ANY = new Set(["0.0.0.0", "::", "[::]"]);

/**
 * Opens the RPC port of a DistHub and joins its cluster: in this order, so that who learns of the node can reach it.
 *
 * Rejects with `failed_precondition` when the port would be open to other machines and the hub has no secret, and with
 * `unavailable` when the port cannot be opened or the storage does not answer.
 */
export async function listenOn<Data>(
  hub: DistHub<Data>,
  rpc: RpcOptions | undefined,
  runtime: Runtime,
): Promise<RpcListener> {
  if (!isDistHub(hub)) throw invalidArgument("listen takes a DistHub: a Hub has no RPC side");
  const options = rpc === undefined ? {} : rpc;
  checkRpcOptions(options);
  const { port = 0, tls, hostname = hub.hasSecret ? "0.0.0.0" : "127.0.0.1" } = options;
  checkSecret(hub, hostname);
  const server = new DistServer(hub);
  const { routes, limits } = server;
  if (tls?.mutual && tls.ca === undefined) throw invalidArgument("rpc.tls.mutual needs ca: who signs the callers");
  const portTls = tls && { cert: tls.cert, key: tls.key, clientCa: tls.mutual ? tls.ca : undefined };
  const rpcPort = await openRpcPort({
    routes,
    openLine: (authorization) => server.openLine(authorization),
    ...limits,
    runtime,
    hostname,
    port,
    tls: portTls,
    logger: hub.logger,
  });
  hub.onClose(() => rpcPort.close());
  const host = options.advertise ?? `${reachableName(hostname)}:${rpcPort.port}`;
  const own = tls?.mutual ? { cert: tls.cert, key: tls.key } : {};
  const transportOptions = { runtime, ...rpcBytes(hub.limits), ...(tls ? { tls: { ca: tls.ca, ...own } } : {}) };
  try {
    await hub.join({ host, transport: (to) => transportTo(to, transportOptions) });
  } catch (error) {
    await rpcPort.close();
    throw error;
  }
  return { port: rpcPort.port, host, close: () => hub.close(), [Symbol.asyncDispose]: () => hub.close() };
}

/** What `serve` does for the RPC side: `listen` for a DistHub, nothing for a Hub. */
export function rpcStarter<Data>(runtime: Runtime): StartRpc<Data> {
  return async (hub: Hub<Data>, rpc) => {
    if (isDistHub(hub)) return await listenOn(hub, rpc, runtime);
    if (rpc !== undefined) throw invalidArgument("rpc goes with a DistHub: a Hub has no RPC side");
    return undefined;
  };
}

/** Whether a hub has an RPC side. */
export function isDistHub<Data>(hub: Hub<Data>): hub is DistHub<Data> {
  return hub instanceof DistHub;
}

function checkSecret<Data>(hub: DistHub<Data>, hostname: string): void {
  if (hub.hasSecret || LOOPBACK.test(hostname)) return;
  throw new MeshError(
    "failed_precondition",
    `the RPC port would be open on ${hostname} without a secret: give the DistHub a secret (such as ` +
      `MESHSOCKET_SECRET from the environment), or set rpc.hostname to 127.0.0.1`,
  );
}

function reachableName(hostname: string): string {
  if (ANY.has(hostname)) return localAddress();
  return hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
}
