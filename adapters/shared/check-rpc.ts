import { checkObject } from "../../src/base/check.ts";
import { invalidArgument } from "../../src/base/error.ts";
import { checkHost } from "../../src/base/host.ts";
import type { RpcOptions } from "../../src/hub/serve-options.ts";
import { checkAddress } from "./check-address.ts";
import { checkTls } from "./check-tls.ts";

/** Throws a TypeError (`invalid_argument`) for options that no RPC port can be opened with. */
export function checkRpcOptions(rpc: RpcOptions): void {
  checkObject("rpc", rpc);
  const { advertise, tls } = rpc;
  checkAddress("rpc.", rpc);
  if (advertise !== undefined) checkHost(advertise);
  if (tls === undefined) return;
  checkTls(tls);
  if (tls.ca !== undefined && typeof tls.ca !== "string") throw invalidArgument("rpc.tls.ca must be a string in PEM");
}
