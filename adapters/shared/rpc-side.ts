import type { JoinOptions } from "../../src/cluster/join-options.ts";
import type { DistHub } from "../../src/distributed/dist-hub.ts";
import { DistServer } from "../../src/distributed/dist-server.ts";
import { invalidArgument } from "../../src/base/error.ts";
import { rpcBytes } from "../../src/base/limits.ts";
import type { RpcOptions } from "../../src/hub/serve-options.ts";
import { openRpcPort, type RpcPort } from "../rpc/port.ts";
import type { Runtime } from "../rpc/runtime.ts";
import { type TransportOptions, transportTo } from "../rpc/transport.ts";

/** Opens the port on which a DistHub answers the RPCs of other nodes. */
export function openPort<Data>(
  hub: DistHub<Data>,
  { port = 0, hostname, tls }: RpcOptions & { hostname: string },
  runtime: Runtime,
): Promise<RpcPort> {
  if (tls?.mutual && tls.ca === undefined) throw invalidArgument("rpc.tls.mutual needs ca: who signs the callers");
  const server = new DistServer(hub);
  return openRpcPort({
    routes: server.routes,
    openLine: (authorization) => server.openLine(authorization),
    ...server.limits,
    runtime,
    hostname,
    port,
    tls: tls && { cert: tls.cert, key: tls.key, clientCa: tls.mutual ? tls.ca : undefined },
    logger: hub.logger,
  });
}

/** How a node reaches the others. */
export function transports<Data>(hub: DistHub<Data>, { tls }: RpcOptions, runtime: Runtime): JoinOptions["transport"] {
  const options = { runtime, ...rpcBytes(hub.limits), ...dialTls(tls) };
  return (to) => transportTo(to, options);
}

/** How the other nodes are dialled: with TLS if this node answers with it. */
function dialTls(tls: RpcOptions["tls"]): Pick<TransportOptions, "tls"> {
  if (!tls) return {};
  return { tls: { ca: tls.ca, ...(tls.mutual && { cert: tls.cert, key: tls.key }) } };
}
