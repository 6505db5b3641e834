import { createClient, type Transport } from "@connectrpc/connect";
import type { DistClientDirectOptions } from "./client-options.ts";
import { unlessAborted } from "../base/abort.ts";
import { bearer } from "../rpc/bearer.ts";
import { MeshError } from "../base/error.ts";
import { Cluster, type WatchPresenceResponse } from "../gen/meshsocket/v1/cluster_pb.ts";
import { createFetchTransport } from "../rpc/fetch-transport.ts";
import { type Limits, rpcBytes } from "../base/limits.ts";
import { Links } from "../link/links.ts";
import type { NodeTransport } from "../link/node-transport.ts";
import { Router } from "../cluster/router.ts";
import type { Holder, Storage } from "../storage/storage.ts";
import { TokenMint } from "../rpc/token.ts";
import { type Destinations, RemoteVerbs } from "../cluster/verbs.ts";
import type { SendOptions } from "../send/verbs.ts";
import { TopicUserVerbs, type UserVerbs } from "../send/user-verbs.ts";

/** The verbs straight to the owners, found in the storage: those of a node without clients, which caches no topics. */
export class DirectVerbs extends RemoteVerbs {
  readonly #storage: Storage;
  readonly #links: Links;
  readonly #tokens: TokenMint | undefined;
  readonly #transport: (host: string) => NodeTransport;
  readonly user: UserVerbs;

  constructor(options: DistClientDirectOptions, limits: Readonly<Limits>) {
    const { storage, secret } = options;
    const tokens = secret === undefined ? undefined : new TokenMint({ secret });
    const transport = options.transport ?? fetchTransports(options, limits);
    const links = new Links({ limits, tokens, transport, lines: "unary" });
    const router = new Router({ storage, maxRoutes: limits.maxRoutes, links });
    super({ links, router, nodes: new StorageNodes(storage), timeoutMs: limits.timeoutMs });
    this.#storage = storage;
    this.#links = links;
    this.#tokens = tokens;
    this.#transport = transport;
    this.user = new TopicUserVerbs(this, limits.timeoutMs);
  }

  async nodes({ signal }: SendOptions): Promise<string[]> {
    return (await unlessAborted(this.#storage.living(), signal)).map(({ host }) => host);
  }

  /** Through any one of the living nodes: it knows the others. */
  async *watchPresence(topic: string, signal: AbortSignal): AsyncIterable<WatchPresenceResponse> {
    const nodes = await unlessAborted(this.#storage.living(), signal);
    const node = nodes[Math.floor(Math.random() * nodes.length)];
    if (!node) throw new MeshError("unavailable", "could not watch: no node lives");
    const tokens = this.#tokens;
    const transport = this.#transport(node.host) as Transport;
    const client = createClient(Cluster, tokens ? bearer(transport, () => tokens.token(node.host)) : transport);
    yield* client.watchPresence({ topic }, { signal });
  }

  close(): void {
    this.#links.close();
  }
}

/** The nodes as the storage has them, looked up for each call: a caller that is not a node hears of no changes. */
class StorageNodes implements Destinations {
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  async all<Result>(use: (nodes: Iterable<Holder>) => Promise<Result>): Promise<Result> {
    return await use(await this.#storage.living());
  }

  async ofTopic<Result>(topic: string, use: (nodes: Iterable<Holder>) => Promise<Result>): Promise<Result> {
    return await use(await this.#storage.subscribers(topic));
  }

  notHere(): void {}

  noAnswer(): void {}
}

function fetchTransports(options: DistClientDirectOptions, limits: Readonly<Limits>): (host: string) => NodeTransport {
  const scheme = options.tls ? "https" : "http";
  return (host) =>
    createFetchTransport({
      baseUrl: `${scheme}://${host}`,
      ...rpcBytes(limits),
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
}
