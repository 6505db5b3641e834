import { ClusterCaller } from "../adapters/dashboard/cluster-caller.ts";
import { type GetToken, tokenOf } from "../src/distributed/client/get-token.ts";
import { createFetchTransport } from "../src/rpc/fetch-transport.ts";
import type { Arguments, OptionKinds } from "./arguments.ts";
import { UsageError } from "./command.ts";

/** The way to the cluster that the arguments name. Throws a {@link UsageError} if they name none, or are contradictory. */
export function callerOf(args: Arguments): ClusterCaller {
  const url = urlOf(args.value("url", "MESHSOCKET_URL"));
  const transport = createFetchTransport({
    baseUrl: url.href.replace(/\/$/, ""),
    readMaxBytes: MAX_BYTES,
    writeMaxBytes: MAX_BYTES,
  });
  return new ClusterCaller({
    host: url.host,
    transport,
    token: getToken(args),
    timeoutMs: args.count("timeout", 5_000),
  });
}

/** The options of every command that goes through a node. */
export const CONNECTION_OPTIONS: OptionKinds = {
  url: "value",
  key: "value",
  token: "value",
  timeout: "value",
  json: "flag",
};

/** The lines of the help about them. */
export const CONNECTION_HELP = `  option       variable            default
  --url        MESHSOCKET_URL      none      any node's RPC port, such as http://10.0.0.5:8081
  --key        MESHSOCKET_KEY      none      the secret of an API key, or MESHSOCKET_SECRET, that of the cluster
  --token      MESHSOCKET_TOKEN    none      or a token: npx meshsocket token makes one
  --timeout                        5000      milliseconds for each call
  --json                                     one line of JSON for each answer, for programs

The variable is better than --key: other users of this machine can read arguments.`;

const MAX_BYTES = 67_108_864;

function urlOf(text: string | undefined): URL {
  if (text === undefined) {
    throw new UsageError("say which node to ask: --url http://10.0.0.5:8081, or MESHSOCKET_URL");
  }
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "" && url.hash === "") return url;
  throw new UsageError("--url must be an http or https URL without user and query, such as http://10.0.0.5:8081");
}

function getToken(args: Arguments): GetToken | undefined {
  const token = args.value("token", "MESHSOCKET_TOKEN");
  return tokenOf(token === undefined ? { secret: keyOf(args) } : { token });
}

/** The secret from which tokens are made, if there is one. */
export function keyOf(args: Arguments): string | undefined {
  return args.value("key", "MESHSOCKET_KEY") ?? args.value("key", "MESHSOCKET_SECRET");
}
