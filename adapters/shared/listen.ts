import type { DistHub } from "../../src/distributed/dist-hub.ts";
import { kindOf } from "../../src/base/check/check.ts";
import { invalidArgument, MeshError } from "../../src/base/error.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { localAddress } from "../../src/base/local-address.ts";
import type { RpcListener, RpcOptions } from "../../src/hub/serve-options.ts";
import { checkRpcOptions } from "./check-rpc.ts";
import { isDistHub } from "./is-dist-hub.ts";
import { runtimeHere } from "../rpc/runtime.ts";
import type { StartRpc } from "./start.ts";

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/;
const ANY = new Set(["0.0.0.0", "::", "[::]"]);

/**
 * Opens the RPC port of a DistHub and joins its cluster: in this order, so that a node that learns of it can reach it.
 *
 * Rejects with `failed_precondition` if the port would be open to other machines and the hub has no secret, if its address
 * does not lead to it, or if it and the other nodes do not reach each other; and with `unavailable` if the port cannot be
 * opened or the storage does not answer.
 */
export async function listenOn<Data>(
  hub: DistHub<Data>,
  rpc: RpcOptions | undefined,
): Promise<RpcListener> {
  if (!isDistHub(hub)) {
    throw invalidArgument(`listen takes a DistHub, not ${kindOf(hub)}: write listen(new DistHub({ storage, secret }))`);
  }
  const options = rpc === undefined ? {} : rpc;
  checkRpcOptions(options);
  const hostname = options.hostname ?? (hub.hasSecret ? anyAddress() : "127.0.0.1");
  checkSecret(hub, hostname);
  const runtime = runtimeHere();
  // Loaded here: a Hub needs none of its packages.
  const { openPort, transports } = await import("./rpc-side.ts");
  const rpcPort = await openPort(hub, { ...options, hostname }, runtime);
  hub.onClose(() => rpcPort.close());
  const host = options.advertise ?? `${reachableName(hostname)}:${rpcPort.port}`;
  try {
    await hub.join({ host, transport: transports(hub, options, runtime) });
  } catch (error) {
    await rpcPort.close();
    throw error;
  }
  return { port: rpcPort.port, host, close: () => hub.close(), [Symbol.asyncDispose]: () => hub.close() };
}

/** The RPC side of `serve`: `listen` for a DistHub, nothing for a Hub. */
export function rpcStarter<Data>(): StartRpc<Data> {
  return async (hub: Hub<Data>, rpc) => {
    if (isDistHub(hub)) return await listenOn(hub, rpc);
    if (rpc !== undefined) throw invalidArgument("rpc goes with a DistHub: a Hub has no RPC side");
    return undefined;
  };
}

function checkSecret<Data>(hub: DistHub<Data>, hostname: string): void {
  if (hub.hasSecret || LOOPBACK.test(hostname)) return;
  throw new MeshError(
    "failed_precondition",
    `the RPC port would be open on ${hostname} without a secret: give the DistHub a secret (such as ` +
      `MESHSOCKET_SECRET from the environment), or set rpc.hostname to 127.0.0.1`,
  );
}

/** All addresses of this machine, of IPv6 too if it has no other. */
function anyAddress(): string {
  return localAddress().includes(":") ? "::" : "0.0.0.0";
}

/** The name by which other machines reach a port on `hostname`. */
function reachableName(hostname: string): string {
  const name = ANY.has(hostname) ? localAddress() : hostname;
  return name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
}
