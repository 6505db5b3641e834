import { checkFlag, checkOptions, checkText, defined, type OptionTable } from "../../src/base/check/check.ts";
import { checkHost } from "../../src/base/host.ts";
import type { RpcOptions } from "../../src/hub/serve-options.ts";
import { checkHostname, checkPort } from "./check-address.ts";
import { checkKeyPair, TLS_OPTIONS } from "./check-tls.ts";

type RpcTls = NonNullable<RpcOptions["tls"]>;

const RPC_OPTIONS: OptionTable<RpcOptions> = {
  port: checkPort,
  hostname: checkHostname,
  advertise: defined((_, value) => checkHost(value)),
  tls: (name, value) => {
    checkOptions<RpcTls>(name, value, RPC_TLS, `${name}.`);
    checkKeyPair(name, value);
  },
};

const RPC_TLS: OptionTable<RpcTls> = { ...TLS_OPTIONS, ca: defined(checkText), mutual: checkFlag };

/** Throws a TypeError (`invalid_argument`) for options that no RPC port can be opened with. */
export function checkRpcOptions(rpc: unknown): asserts rpc is RpcOptions {
  checkOptions<RpcOptions>("rpc", rpc, RPC_OPTIONS, "rpc.");
}
