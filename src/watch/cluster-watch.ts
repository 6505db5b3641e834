import { create } from "@bufbuild/protobuf";
import { errorCode, MeshError } from "../base/error.ts";
import {
  type ClientsRequest,
  type ClientsResponse,
  ClientsResponseSchema,
  type DrainRequest,
  type DrainResponse,
  type Known,
  type NodeState,
  type Record,
  type TapRequest,
  type TapResponse,
  type TopicsRequest,
  type TopicsResponse,
  TopicsResponseSchema,
  type WhyRequest,
  type WhyResponse,
  WhyResponseSchema,
} from "../gen/meshsocket/v1/watch_pb.ts";
import type { NodeClient } from "../link/line.ts";
import type { Access } from "../rpc/access.ts";
import { fromRpcError } from "../rpc/error.ts";
import type { Entry, Holder, Storage } from "../storage/storage.ts";
import { ClusterTap } from "./cluster-tap.ts";
import { type Evidence, explainClient, explainTopic } from "./explain.ts";
import type { NodeWatch, WatchedNode } from "./node-watch.ts";
import { byName, pageSize } from "./pages.ts";

/** The knowledge of all nodes, asked from any one of them and put together. A node that does not answer is named. */
export class ClusterWatch<Data> {
  readonly #node: WatchedNode<Data> & { readonly storage: Storage };
  readonly #own: NodeWatch<Data>;

  constructor(node: WatchedNode<Data> & { readonly storage: Storage }, own: NodeWatch<Data>) {
    this.#node = node;
    this.#own = own;
  }

  /** The living nodes, this one first. */
  hosts(): string[] {
    return [this.#own.host, ...this.#node.cluster.neighbours.nodes().map(({ host }) => host)];
  }

  /** The state of every node, this one first. */
  async states(): Promise<Heard<NodeState>[]> {
    return await this.#ask(() => this.#own.state(), (client, options) => client.state({}, options));
  }

  /** Why messages reach a client or a topic, or do not. */
  async why(request: WhyRequest): Promise<WhyResponse> {
    const { subject } = request;
    if (subject.case === undefined) throw new MeshError("invalid_argument", "why needs an id or a topic");
    const [entry, heard] = await Promise.all([
      subject.case === "id" ? this.#entry(subject.value) : undefined,
      this.#ask(() => this.#own.known(request), (client, options) => client.why(request, options)),
    ]);
    const evidence = this.#evidence(entry, heard);
    const { clients, records, topics, unheard, sinceMs } = evidence;
    const explain = subject.case === "id" ? explainClient : explainTopic;
    const confirmed = clients.some(({ host }) => entry && "host" in entry && entry.host === host);
    return create(WhyResponseSchema, {
      findings: explain(subject.value, evidence),
      ...(entry && "host" in entry && { holder: { ...entry, confirmed } }),
      clients: [...clients],
      records: [...records, ...(clients.length === 0 ? evidence.refusals : [])].sort(byTime),
      topics: [...topics],
      unheard: [...unheard],
      sinceMs: BigInt(sinceMs),
    });
  }

  #evidence(holder: Entry | { error: string } | undefined, heard: readonly Heard<Known>[]): Evidence {
    const known = answersOf(heard);
    return {
      holder,
      clients: known.flatMap(({ clients }) => clients),
      records: known.flatMap(({ records }) => records).sort(byTime),
      refusals: known.flatMap(({ refusals }) => refusals).sort(byTime),
      topics: known.flatMap(({ topics }) => topics),
      unheard: unheardOf(heard),
      leaseMs: this.#node.leaseMs,
      sinceMs: Math.max(0, ...known.map(({ sinceMs }) => Number(sinceMs))),
    };
  }

  async #entry(id: string): Promise<Entry | { error: string } | undefined> {
    try {
      const [entry] = await this.#node.storage.get([id]);
      return entry;
    } catch (error) {
      return { error: errorCode(error) === undefined ? "the storage failed" : (error as Error).message };
    }
  }

  /** Has a node drain. Rejects with `not_found` if it is not one of the living. */
  async drain(request: DrainRequest): Promise<DrainResponse> {
    const { cluster } = this.#node;
    if (request.host === this.#own.host) return this.#own.drain(request);
    const node = cluster.neighbours.nodes().find(({ host }) => host === request.host);
    if (!node) throw new MeshError("not_found", `no node ${request.host} lives: npx meshsocket nodes lists them`);
    return await this.#call(node, (client, options) => client.drain(request, options));
  }

  /**
   * Taps every node, those that join later included. The contents of messages are masked unless the caller may see them.
   * Throws
   * `resource_exhausted` if this node itself takes no more taps.
   */
  tap(request: TapRequest, signal: AbortSignal, { payloads }: Access): AsyncIterable<TapResponse> {
    const allowed = { ...request, payloads: request.payloads && payloads };
    return new ClusterTap(this.#own, this.#node, allowed, signal).run(request.payloads && !payloads);
  }

  /** A page of the clients of all nodes. */
  async clients(request: ClientsRequest): Promise<ClientsResponse> {
    const heard = await this.#ask(
      () => this.#own.clients(request),
      (client, options) => client.clients(request, options),
    );
    const answers = answersOf(heard);
    const clients = answers.flatMap((answer) => answer.clients).sort((one, other) => byName(one.id, other.id));
    const total = answers.reduce((sum, answer) => sum + answer.total, 0n);
    return create(ClientsResponseSchema, {
      clients: clients.slice(0, pageSize(request)),
      total,
      unheard: unheardOf(heard),
    });
  }

  /** A page of the topics of all nodes. Its total is the least that there can be: nodes may share topics. */
  async topics(request: TopicsRequest): Promise<TopicsResponse> {
    const heard = await this.#ask(
      () => this.#own.topics(request),
      (client, options) => client.topics(request, options),
    );
    const answers = answersOf(heard);
    const byTopic = new Map<string, { topic: string; listeners: bigint; hosts: string[] }>();
    for (const { topic, listeners, hosts } of answers.flatMap((answer) => answer.topics)) {
      const sum = byTopic.get(topic) ?? { topic, listeners: 0n, hosts: [] };
      byTopic.set(topic, { topic, listeners: sum.listeners + listeners, hosts: [...sum.hosts, ...hosts] });
    }
    const topics = [...byTopic.values()].sort((one, other) => byName(one.topic, other.topic));
    const total = answers.reduce((sum, answer) => (answer.total > sum ? answer.total : sum), 0n);
    return create(TopicsResponseSchema, {
      topics: topics.slice(0, pageSize(request)),
      total: total > BigInt(topics.length) ? total : BigInt(topics.length),
      unheard: unheardOf(heard),
    });
  }

  // ---- asking ----

  /** Asks this node and every other one. Never rejects for another node: it says why that did not answer. */
  async #ask<Answer>(
    own: () => Answer | Promise<Answer>,
    ask: (client: NodeClient, options: { readonly timeoutMs: number }) => Promise<Answer>,
  ): Promise<Heard<Answer>[]> {
    const others = this.#node.cluster.neighbours.nodes().map(async (node): Promise<Heard<Answer>> => {
      try {
        return { host: node.host, answer: await this.#call(node, ask) };
      } catch (error) {
        return { host: node.host, reason: (error as Error).message };
      }
    });
    const here = Promise.resolve(own()).then((answer): Heard<Answer> => ({ host: this.#own.host, answer }));
    return await Promise.all([here, ...others]);
  }

  async #call<Answer>(
    node: Holder,
    call: (client: NodeClient, options: { readonly timeoutMs: number }) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      const { timeoutMs } = this.#node.limits;
      return await call(this.#node.cluster.neighbours.links.client(node), { timeoutMs });
    } catch (error) {
      throw fromRpcError(error, { host: node.host });
    }
  }
}

/** One node's answer, or why there is none. */
export type Heard<Answer> = { readonly host: string } & ({ readonly answer: Answer } | { readonly reason: string });

function answersOf<Answer>(heard: readonly Heard<Answer>[]): Answer[] {
  return heard.flatMap((one) => ("answer" in one ? [one.answer] : []));
}

function unheardOf<Answer>(heard: readonly Heard<Answer>[]): { host: string; reason: string }[] {
  return heard.flatMap((one) => ("reason" in one ? [one] : []));
}

function byTime(one: Record, other: Record): number {
  return Number(one.atMs - other.atMs);
}
