import { type Client, createClient } from "@connectrpc/connect";
import type { MeshError } from "../src/base/error.ts";
import { Cluster } from "../src/gen/meshsocket/v1/cluster_pb.ts";
import { RIGHTS } from "../src/rpc/access.ts";
import { bearer } from "../src/rpc/bearer.ts";
import { fromRpcError } from "../src/rpc/error.ts";
import { createFetchTransport } from "../src/rpc/fetch-transport.ts";
import { CLUSTER_AUDIENCE, TokenMint } from "../src/rpc/token.ts";
import type { Arguments, OptionKinds } from "./arguments.ts";
import { UsageError } from "./command.ts";

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

/** The way to a cluster, through any of its nodes. */
export class ClusterCaller {
  /** The host of the URL, for texts. */
  readonly host: string;
  readonly timeoutMs: number;
  readonly #client: Client<typeof Cluster>;

  private constructor(host: string, timeoutMs: number, client: Client<typeof Cluster>) {
    this.host = host;
    this.timeoutMs = timeoutMs;
    this.#client = client;
  }

  /** Throws a {@link UsageError} if the arguments do not say which node, or are contradictory. */
  static from(args: Arguments): ClusterCaller {
    const url = urlOf(args.value("url", "MESHSOCKET_URL"));
    const transport = createFetchTransport({
      baseUrl: url.href.replace(/\/$/, ""),
      readMaxBytes: MAX_BYTES,
      writeMaxBytes: MAX_BYTES,
    });
    const token = tokenOf(args);
    const timeoutMs = args.count("timeout", 5_000);
    return new ClusterCaller(url.host, timeoutMs, createClient(Cluster, token ? bearer(transport, token) : transport));
  }

  /** Makes a call. Rejects with a MeshError whose text says what to change. */
  async call<Answer>(
    name: string,
    call: (client: Client<typeof Cluster>, options: { readonly timeoutMs: number }) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await call(this.#client, { timeoutMs: this.timeoutMs });
    } catch (error) {
      throw this.#told(name, error);
    }
  }

  /** Makes a call that answers many times, until the signal is aborted. */
  async *stream<Answer>(
    name: string,
    call: (client: Client<typeof Cluster>) => AsyncIterable<Answer>,
    signal: AbortSignal,
  ): AsyncIterable<Answer> {
    try {
      yield* call(this.#client);
    } catch (error) {
      if (!signal.aborted) throw this.#told(name, error);
    }
  }

  #told(name: string, error: unknown): Error {
    const failed = fromRpcError(error, { host: this.host });
    return new Error(`could not ${PHRASES.get(name) ?? name}: ${reasonOf(failed, this.host, name)}`, { cause: failed });
  }
}

/** Words for calls whose name is not a verb. */
const PHRASES: ReadonlyMap<string, string> = new Map([
  ["nodes", "ask the nodes"],
  ["why", "ask why"],
  ["members", "find the members"],
  ["clients", "list the clients"],
  ["topics", "list the topics"],
]);

const MAX_BYTES = 67_108_864;

function urlOf(text: string | undefined): URL {
  if (text === undefined) {
    throw new UsageError("say which node to ask: --url http://10.0.0.5:8081, or MESHSOCKET_URL");
  }
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "" && url.hash === "") return url;
  throw new UsageError("--url must be an http or https URL without user and query, such as http://10.0.0.5:8081");
}

function tokenOf(args: Arguments): (() => string | Promise<string>) | undefined {
  const token = args.value("token", "MESHSOCKET_TOKEN");
  if (token !== undefined) return () => token;
  const key = keyOf(args);
  if (key === undefined) return undefined;
  const mint = new TokenMint({ secret: key });
  return () => mint.token(CLUSTER_AUDIENCE);
}

/** The secret from which tokens are made, if there is one. */
export function keyOf(args: Arguments): string | undefined {
  return args.value("key", "MESHSOCKET_KEY") ?? args.value("key", "MESHSOCKET_SECRET");
}

/** Why a call failed, and what to do. */
function reasonOf({ code, message }: MeshError, host: string, name: string): string {
  const wanted = name === "watch" ? "watchpresence" : name;
  const right = Object.entries(RIGHTS).find(([, calls]) => calls.some((call) => call.toLowerCase() === wanted))?.[0];
  if (code === "permission_denied" && right !== undefined) {
    return `the key does not open it: give it the right ${JSON.stringify(right)} in apiKeys, or use another key`;
  }
  if (code !== "unauthenticated") return message;
  const why = message.includes("expired") ? "the token expired, or a clock is off" : message.replace(/^.*?: /, "");
  return `${host} refused the key (${why}): set MESHSOCKET_KEY to the secret of an API key or of the cluster`;
}
