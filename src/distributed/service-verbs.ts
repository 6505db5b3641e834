import { type CallOptions, type Client, createClient } from "@connectrpc/connect";
import type { DistClientThroughNodeOptions } from "./dist-client.ts";
import { invalidArgument } from "../base/error.ts";
import { createFetchTransport } from "../rpc/fetch-transport.ts";
import type { Frame } from "../send/frame.ts";
import { Cluster, type Delivery as DeliveryMessage } from "../gen/meshsocket/v1/cluster_pb.ts";
import { type Limits, rpcBytes } from "../base/limits.ts";
import { membersOf } from "../send/members.ts";
import { bearer } from "../rpc/bearer.ts";
import { fromRpcError } from "../rpc/error.ts";
import type { Count, Delivery, Except, Members, MembersOptions, SendOptions, Verbs } from "../send/verbs.ts";

/** The verbs through any one node, by the Cluster service. */
export class ClusterVerbs implements Verbs {
  readonly #client: Client<typeof Cluster>;
  readonly #timeoutMs: number;
  readonly #closed = new AbortController();

  constructor(options: DistClientThroughNodeOptions, limits: Readonly<Limits>) {
    const baseUrl = checkUrl(options.url);
    const transport = createFetchTransport({
      baseUrl,
      ...rpcBytes(limits),
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
    const { token } = options;
    const getToken = typeof token === "function" ? token : () => token ?? "";
    this.#client = createClient(Cluster, token === undefined ? transport : bearer(transport, getToken));
    this.#timeoutMs = limits.timeoutMs;
  }

  async emit(id: string, frame: Frame, options: SendOptions): Promise<boolean> {
    const request = { id, data: frame.bytes, binary: frame.binary };
    return (await this.#call(options, (client, call) => client.emit(request, call))).accepted;
  }

  async online(id: string, options: SendOptions): Promise<boolean> {
    return (await this.#call(options, (client, call) => client.online({ id }, call))).online;
  }

  async broadcast(frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    const request = { data: frame.bytes, binary: frame.binary, except: [...(except ?? [])] };
    return deliveryOf((await this.#call(options, (client, call) => client.broadcast(request, call))).delivery);
  }

  async publish(topic: string, frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    const request = { topic, data: frame.bytes, binary: frame.binary, except: [...(except ?? [])] };
    return deliveryOf((await this.#call(options, (client, call) => client.publish(request, call))).delivery);
  }

  async members(topic: string, options: MembersOptions): Promise<Members> {
    const response = await this.#call(options, (client, call) => client.members({ topic }, call));
    return membersOf(response.ids, response.infos, response.unreachable, options);
  }

  async count(topic: string, options: SendOptions): Promise<Count> {
    const { count, unreachable } = await this.#call(options, (client, call) => client.count({ topic }, call));
    return { count: Number(count), unreachable };
  }

  async request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    const request = { id, data: frame.bytes, binary: frame.binary };
    const { data, binary } = await this.#call(options, (client, call) => client.request(request, call));
    return binary ? data : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
  }

  async subscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return (await this.#call(options, (client, call) => client.subscribe({ id, topic }, call))).found;
  }

  async unsubscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return (await this.#call(options, (client, call) => client.unsubscribe({ id, topic }, call))).found;
  }

  async disconnect(id: string, code: number, reason: string, options: SendOptions): Promise<boolean> {
    return (await this.#call(options, (client, call) => client.disconnect({ id, code, reason }, call))).found;
  }

  async nodes(options: SendOptions): Promise<string[]> {
    const { nodes } = await this.#call(options, (client, call) => client.nodes({}, call));
    return nodes.map(({ host }) => host);
  }

  close(): void {
    this.#closed.abort();
  }

  async #call<Result>(
    options: SendOptions,
    call: (client: Client<typeof Cluster>, options: CallOptions) => Promise<Result>,
  ): Promise<Result> {
    const closed = this.#closed.signal;
    const signal = options.signal ? AbortSignal.any([options.signal, closed]) : closed;
    try {
      return await call(this.#client, { signal, timeoutMs: options.timeoutMs ?? this.#timeoutMs });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw fromRpcError(error, { signal });
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

function deliveryOf(message: DeliveryMessage | undefined): Delivery {
  return {
    delivered: Number(message?.delivered ?? 0),
    dropped: Number(message?.dropped ?? 0),
    unreachable: message?.unreachable ?? [],
  };
}
