import { type Client, createClient, type Transport } from "@connectrpc/connect";
import type { MeshError } from "../../src/base/error.ts";
import { Cluster } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import { RIGHTS } from "../../src/rpc/access.ts";
import type { GetToken } from "../../src/distributed/client/get-token.ts";
import { bearer } from "../../src/rpc/bearer.ts";
import { fromRpcError } from "../../src/rpc/error.ts";

/** The way to a cluster through one of its nodes, with the rights of one key. */
export class ClusterCaller {
  /** The host of the node, for texts. */
  readonly host: string;
  readonly timeoutMs: number;
  readonly #client: Client<typeof Cluster>;

  constructor({ host, transport, token, timeoutMs }: ClusterCallerOptions) {
    this.host = host;
    this.timeoutMs = timeoutMs;
    this.#client = createClient(Cluster, token ? bearer(transport, token) : transport);
  }

  /** Makes a call. Rejects with an Error whose text says what to change, and whose cause is a MeshError. */
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
  ): AsyncGenerator<Answer, void, undefined> {
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

/** The cluster that is called, and as whom. */
export interface ClusterCallerOptions {
  readonly host: string;
  readonly transport: Transport;
  /** Left out for a cluster without a secret. */
  readonly token?: GetToken | undefined;
  /** For each call. */
  readonly timeoutMs: number;
}

/** Words for calls whose name is not a verb. */
const PHRASES: ReadonlyMap<string, string> = new Map([
  ["nodes", "ask the nodes"],
  ["why", "ask why"],
  ["members", "find the members"],
  ["clients", "list the clients"],
  ["topics", "list the topics"],
]);

/** In the words of somebody who asks a node, not of a node that asks another. */
function whyRefused(message: string): string {
  if (message.endsWith("this node has none")) return "none was given, and it wants one";
  return message.includes("expired") ? "the token expired, or a clock is off" : message.replace(/^.*?: /, "");
}

/** Why a call failed, and what to do. */
function reasonOf({ code, message }: MeshError, host: string, name: string): string {
  const wanted = name === "watch" ? "watchpresence" : name;
  const right = Object.entries(RIGHTS).find(([, calls]) => calls.some((call) => call.toLowerCase() === wanted))?.[0];
  if (code === "permission_denied" && right !== undefined) {
    return `the key does not open it: give it the right ${JSON.stringify(right)} in apiKeys, or use another key`;
  }
  if (code !== "unauthenticated") return message;
  const why = whyRefused(message);
  return `${host} refused the key (${why}): set MESHSOCKET_KEY to the secret of an API key or of the cluster`;
}
