import { type CallOptions, type Client, createClient, type ServiceImpl, type Transport } from "@connectrpc/connect";
import type { ClusterWatchService } from "./watch-service.ts";
import { bearer } from "../rpc/bearer.ts";
import { CloseCode } from "../base/close-code.ts";
import type { DistClientThroughNodeOptions } from "./client-options.ts";
import type { DistHub } from "./dist-hub.ts";
import { invalidArgument } from "../base/error.ts";
import { createFetchTransport } from "../rpc/fetch-transport.ts";
import type { Traces } from "../base/trace/tracing.ts";
import type { Frame } from "../send/frame.ts";
import { Cluster, type WatchPresenceResponse } from "../gen/meshsocket/v1/cluster_pb.ts";
import { type Limits, rpcBytes } from "../base/limits.ts";
import { membersOf } from "../send/members.ts";
import { watchPresence } from "./presence-service.ts";
import { deliveryMessage, deliveryOf, fromReply, payload, sendOptions, toMany, toReply } from "./service-messages.ts";
import { type ServiceCaller, ServiceUserVerbs, userService } from "./user-service.ts";
import type { UserVerbs } from "../send/user-verbs.ts";
import { fromRpcError } from "../rpc/error.ts";
import { CLUSTER_AUDIENCE, TokenMint } from "../rpc/token.ts";
import { followSignals } from "../base/signals.ts";
import {
  historyOptions,
  historyPage,
  historyRequest,
  historyResponse,
  positionMessage,
  positionOf,
} from "./history-service.ts";
import type { Position } from "../send/position.ts";
import type {
  Count,
  Delivery,
  EmitOptions,
  Except,
  HistoryPage,
  HistoryReadOptions,
  Members,
  MembersOptions,
  SendOptions,
  SendToTopicOptions,
  Verbs,
} from "../send/verbs.ts";

/** The service for back-ends in any language: the verbs of the hub, through any node. */
export function clusterService<Data>(hub: DistHub<Data>): Omit<ServiceImpl<typeof Cluster>, keyof ClusterWatchService> {
  return {
    async emit({ id, data, binary, confirm }, context) {
      return { accepted: await hub.emit(id, payload(data, binary), { ...sendOptions(context), confirm }) };
    },
    async online({ id }, context) {
      return { online: await hub.online(id, sendOptions(context)) };
    },
    async broadcast({ data, binary, except }, context) {
      const delivery = await hub.broadcast(payload(data, binary), { ...sendOptions(context), except });
      return { delivery: deliveryMessage(delivery) };
    },
    async publish({ topic, data, binary, except, key }, context) {
      const options = { ...sendOptions(context), except, key: key || undefined };
      const delivery = await hub.publish(topic, payload(data, binary), options);
      return { delivery: deliveryMessage(delivery) };
    },
    async history(request, context) {
      return historyResponse(await hub.history(request.topic, { ...historyOptions(request), ...sendOptions(context) }));
    },
    async position({ topic }, context) {
      return { position: positionMessage(await hub.position(topic, sendOptions(context))) };
    },
    async members({ topic }, context) {
      const { ids, infos, unreachable } = await hub.members(topic, { ...sendOptions(context), info: true });
      const infoOf = (id: string): string => JSON.stringify(infos?.get(id)) ?? "";
      return { ids: [...ids], infos: ids.map(infoOf), unreachable: [...unreachable] };
    },
    async count({ topic }, context) {
      const { count, unreachable } = await hub.count(topic, sendOptions(context));
      return { count: BigInt(count), unreachable: [...unreachable] };
    },
    async request({ id, data, binary }, context) {
      return toReply(await hub.request(id, payload(data, binary), sendOptions(context)));
    },
    async subscribe({ id, topic }, context) {
      return { found: await hub.subscribe(id, topic, sendOptions(context)) };
    },
    async unsubscribe({ id, topic }, context) {
      return { found: await hub.unsubscribe(id, topic, sendOptions(context)) };
    },
    async disconnect({ id, code, reason }, context) {
      return { found: await hub.disconnect(id, code || CloseCode.Normal, reason, sendOptions(context)) };
    },
    ...userService(hub),
    watchPresence: ({ topic, byUser }, { signal }) => watchPresence(hub, topic, byUser, signal),
  };
}

/** The verbs through any one node, by the Cluster service. */
export class ServiceVerbs implements Verbs, ServiceCaller {
  readonly user: UserVerbs = new ServiceUserVerbs(this);
  readonly #client: Client<typeof Cluster>;
  readonly #timeoutMs: number;
  readonly #traces: Traces;
  readonly #closed = new AbortController();

  /** Every call takes a token of `getToken`, if there is one, and continues the active span of `traces`. */
  constructor(
    transport: Transport,
    getToken: GetToken | undefined,
    limits: Readonly<Limits>,
    traces: Traces,
  ) {
    this.#client = createClient(Cluster, getToken === undefined ? transport : bearer(transport, getToken));
    this.#timeoutMs = limits.timeoutMs;
    this.#traces = traces;
  }

  /** Through the node, or the balancer, at a URL. */
  static at(options: DistClientThroughNodeOptions, limits: Readonly<Limits>, traces: Traces): ServiceVerbs {
    const baseUrl = checkUrl(options.url);
    const transport = createFetchTransport({
      baseUrl,
      ...rpcBytes(limits),
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
    return new ServiceVerbs(transport, tokenOf(options), limits, traces);
  }

  async emit(id: string, frame: Frame, options: EmitOptions): Promise<boolean> {
    const request = { id, data: frame.bytes, binary: frame.binary, confirm: options.confirm === true };
    return (await this.call(options, (client, call) => client.emit(request, call))).accepted;
  }

  async online(id: string, options: SendOptions): Promise<boolean> {
    return (await this.call(options, (client, call) => client.online({ id }, call))).online;
  }

  async broadcast(frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    const request = toMany(frame, except);
    return deliveryOf((await this.call(options, (client, call) => client.broadcast(request, call))).delivery);
  }

  async publish(topic: string, frame: Frame, except: Except, options: SendToTopicOptions): Promise<Delivery> {
    const request = { topic, ...toMany(frame, except), key: options.key ?? "" };
    return deliveryOf((await this.call(options, (client, call) => client.publish(request, call))).delivery);
  }

  async history(topic: string, options: HistoryReadOptions): Promise<HistoryPage> {
    const request = historyRequest(topic, options);
    return historyPage(await this.call(options, (client, call) => client.history(request, call)));
  }

  async position(topic: string, options: SendOptions): Promise<Position> {
    return positionOf((await this.call(options, (client, call) => client.position({ topic }, call))).position);
  }

  async members(topic: string, options: MembersOptions): Promise<Members> {
    const response = await this.call(options, (client, call) => client.members({ topic }, call));
    return membersOf(response.ids, response.infos, response.unreachable, options);
  }

  async count(topic: string, options: SendOptions): Promise<Count> {
    const { count, unreachable } = await this.call(options, (client, call) => client.count({ topic }, call));
    return { count: Number(count), unreachable };
  }

  async request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    const request = { id, data: frame.bytes, binary: frame.binary };
    return fromReply(await this.call(options, (client, call) => client.request(request, call)));
  }

  async subscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return (await this.call(options, (client, call) => client.subscribe({ id, topic }, call))).found;
  }

  async unsubscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return (await this.call(options, (client, call) => client.unsubscribe({ id, topic }, call))).found;
  }

  async disconnect(id: string, code: number, reason: string, options: SendOptions): Promise<boolean> {
    return (await this.call(options, (client, call) => client.disconnect({ id, code, reason }, call))).found;
  }

  async nodes(options: SendOptions): Promise<string[]> {
    const { nodes } = await this.call(options, (client, call) => client.nodes({}, call));
    return nodes.map(({ host }) => host);
  }

  watchPresence(topic: string, signal: AbortSignal): AsyncIterable<WatchPresenceResponse> {
    return this.#client.watchPresence({ topic }, { signal });
  }

  close(): void {
    this.#closed.abort();
  }

  /** Makes one call, with the errors of the caller. */
  async call<Result>(
    options: SendOptions,
    call: (client: Client<typeof Cluster>, options: CallOptions) => Promise<Result>,
  ): Promise<Result> {
    const { signal, release } = followSignals(options.signal, this.#closed.signal);
    const traceparent = this.#traces.current?.traceparent();
    const traced = traceparent === undefined ? {} : { headers: { traceparent } };
    try {
      return await call(this.#client, { signal, timeoutMs: options.timeoutMs ?? this.#timeoutMs, ...traced });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw fromRpcError(error, { signal });
    } finally {
      release();
    }
  }
}

function checkUrl(url: unknown): string {
  const parsed = typeof url === "string" ? URL.parse(url) : null;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.search || parsed.hash) {
    throw invalidArgument("url is an http or https URL without user, query or hash, such as http://10.0.0.5:8081");
  }
  return parsed.href.replace(/\/$/, "");
}

type GetToken = () => string | Promise<string>;

/** The source of the token for each call; undefined for nodes without a secret. */
function tokenOf({ secret, token }: DistClientThroughNodeOptions): GetToken | undefined {
  if (secret !== undefined) {
    const mint = new TokenMint({ secret });
    return () => mint.token(CLUSTER_AUDIENCE);
  }
  return typeof token === "string" ? () => token : token;
}
