import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import { bearer } from "../../rpc/bearer.ts";
import { checkUrl, type DistClientThroughNodeOptions } from "../client-options.ts";
import { Cluster } from "../../gen/meshsocket/v1/cluster_pb.ts";
import type { ClusterVerbs, PresenceStep } from "./cluster-verbs.ts";
import { createFetchTransport } from "../../rpc/fetch-transport.ts";
import { deliveryOf, fromReply, toMany } from "../service-messages.ts";
import { followSignals } from "../../base/signals.ts";
import type { Frame } from "../../send/frame.ts";
import { fromRpcError } from "../../rpc/error.ts";
import type { GetToken } from "./get-token.ts";
import { historyPage, historyRequest, positionOf } from "../history-service.ts";
import { type Limits, rpcBytes } from "../../base/limits.ts";
import { membersOf } from "../../send/members.ts";
import type { Position } from "../../send/position.ts";
import { presenceSteps } from "./presence-steps.ts";
import { type ServiceCaller, ServiceUserVerbs } from "./service-user-verbs.ts";
import type { Traces } from "../../base/trace/tracing.ts";
import type { UserVerbs } from "../../send/user-verbs.ts";
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
} from "../../send/verbs.ts";

/** The verbs through any one node, by the Cluster service. */
export class ServiceVerbs implements ClusterVerbs, ServiceCaller {
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
  static at(
    { url, fetch }: DistClientThroughNodeOptions,
    getToken: GetToken | undefined,
    limits: Readonly<Limits>,
    traces: Traces,
  ): ServiceVerbs {
    const transport = createFetchTransport({
      baseUrl: checkUrl(url),
      ...rpcBytes(limits),
      ...(fetch ? { fetch } : {}),
    });
    return new ServiceVerbs(transport, getToken, limits, traces);
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

  watchPresence(topic: string, signal: AbortSignal): AsyncIterable<PresenceStep> {
    return presenceSteps(this.#client.watchPresence({ topic }, { signal }), signal);
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
