import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Tally } from "../base/counters/counters.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { HubClient } from "../client/hub-client.ts";
import { checkCloseOptions, type CloseOptions } from "../hub/hub-options.ts";
import type { HubNode } from "../hub/node.ts";
import { readinessOf } from "../hub/readiness.ts";
import {
  type ClientsRequest,
  ClientsResponseSchema,
  type ClientState,
  ClientStateSchema,
  type DrainRequest,
  type DrainResponse,
  DrainResponseSchema,
  type Known,
  KnownSchema,
  type NodeState,
  NodeStateSchema,
  RecordSchema,
  type TapRequest,
  type TapResponse,
  type TopicsRequest,
  TopicsResponseSchema,
  type WhyRequest,
} from "../gen/meshsocket/v1/watch_pb.ts";
import type { ClientsResponse, Record, TopicsResponse } from "../gen/meshsocket/v1/watch_pb.ts";
import type { Pipe } from "../base/pipe.ts";
import { unref } from "../base/tick.ts";
import type { FlightRecord, FlightRecorder } from "./flight-recorder.ts";
import { pageOf } from "./pages.ts";
import { ProcessLoad } from "./process-load.ts";
import { Tap } from "./tap.ts";
import type { Taps } from "./taps.ts";
import { VERSION } from "./version.ts";

/** The knowledge of one node about itself, for those who watch the cluster. It costs nothing before it is asked. */
export class NodeWatch<Data> {
  readonly #node: WatchedNode<Data>;
  readonly #hub: DrainedHub;
  readonly #load: ProcessLoad = new ProcessLoad();

  constructor(node: WatchedNode<Data>, hub: DrainedHub) {
    this.#node = node;
    this.#hub = hub;
  }

  get host(): string {
    return this.#node.cluster.holder.host;
  }

  /** The state of the node. */
  state(): NodeState {
    const { clients, cluster, counters, leaseMs, state } = this.#node;
    const leaseLeftMs = (counters.leaseEndsAtMs ?? -Infinity) - performance.now();
    const { status, since, reason = "" } = readinessOf(state);
    return create(NodeStateSchema, {
      ...cluster.holder,
      version: VERSION,
      status,
      reason,
      sinceMs: BigInt(Date.parse(since)),
      timeMs: BigInt(Date.now()),
      clients: BigInt(clients.size),
      away: BigInt(counters.awayNow),
      topics: BigInt(clients.topics.size),
      memoryBytes: BigInt(ProcessLoad.memoryBytes()),
      loopDelayMs: Math.max(0, this.#load.look()),
      leaseMs,
      leaseLeftMs: Math.round(Math.max(-MAX_INT32, leaseLeftMs)),
      links: cluster.neighbours.links.loads(),
      taps: this.#node.taps.size,
      totals: this.#totals(),
    });
  }

  #totals(): { [name: string]: number } {
    const { connects, closes, refusals, received, receivedBytes, sent, sentBytes, dropped } = this.#node.counters;
    return {
      connects,
      closes: sumOf(closes),
      refusals: sumOf(refusals),
      received,
      received_bytes: receivedBytes,
      sent,
      sent_bytes: sentBytes,
      dropped,
    };
  }

  /** The knowledge of this node about a client or a topic. */
  known({ subject }: WhyRequest): Known {
    const { recorder } = this.#node;
    const found: MessageInitShape<typeof KnownSchema> = { sinceMs: BigInt(recorder.sinceMs) };
    const own = (record: FlightRecord): boolean => OWN.has(record.kind);
    if (subject.case === "id") {
      const client = this.#node.clients.get(subject.value);
      if (client) found.clients = [this.#clientState(client)];
      found.records = this.#records((record) => record.id === subject.value || own(record));
      found.refusals = this.#records(({ kind, id }) => kind === "refused" && id === "");
    } else if (subject.case === "topic") {
      const listeners = this.#node.clients.topics.listeners(subject.value)?.size ?? 0;
      if (listeners > 0) {
        found.topics = [{ topic: subject.value, host: this.host, listeners: BigInt(listeners) }];
      }
      found.records = this.#records((record) => record.topic === subject.value || own(record));
    }
    return create(KnownSchema, found);
  }

  #records(wanted: (record: FlightRecord) => boolean): Record[] {
    return this.#node.recorder.find(wanted, MAX_FOUND).map((record) => this.recordMessage(record));
  }

  /** A record as it travels. */
  recordMessage({ kind, id, topic, text, code, times, atMs, lastMs }: FlightRecord): Record {
    return create(RecordSchema, {
      host: this.host,
      kind,
      id,
      topic,
      text,
      code,
      times,
      atMs: BigInt(atMs),
      lastMs: BigInt(lastMs),
    });
  }

  /** A page of the clients of this node. */
  async clients(request: ClientsRequest): Promise<ClientsResponse> {
    const { clients } = this.#node;
    const { names, total } = await pageOf(idsOf(clients.values()), request);
    const found = names.flatMap((id) => {
      const client = clients.get(id);
      return client ? [this.#clientState(client)] : [];
    });
    return create(ClientsResponseSchema, { clients: found, total: BigInt(total) });
  }

  /** A page of the topics with listeners on this node. */
  async topics(request: TopicsRequest): Promise<TopicsResponse> {
    const { topics } = this.#node.clients;
    const { names, total } = await pageOf(topics.names(), request);
    const found = names.map((topic) => ({
      topic,
      listeners: BigInt(topics.listeners(topic)?.size ?? 0),
      hosts: [this.host],
    }));
    return create(TopicsResponseSchema, { topics: found, total: BigInt(total) });
  }

  /**
   * The messages to and from one client, or to one topic, until the signal is aborted or `limits.tapMs` are over. Throws
   * `resource_exhausted` if this node takes no more taps.
   */
  tap(request: TapRequest, signal: AbortSignal): Pipe<TapResponse> {
    const tap = new Tap(request, this.host);
    this.#node.taps.add(tap);
    tap.push({ kind: "opened" });
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      this.#node.taps.end(tap);
    };
    const timer = setTimeout(() => {
      tap.push({ kind: "ended", text: "it lasted limits.tapMs" });
      end();
    }, this.#node.limits.tapMs);
    unref(timer);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    return tap.messages;
  }

  /** Begins to drain; the answer goes out before. Throws a TypeError (`invalid_argument`) for times that are too long. */
  drain({ announceMs, drainMs }: DrainRequest): DrainResponse {
    const options = { announceMs, drainMs };
    checkCloseOptions(options);
    this.#node.recorder.record("node", {}, "a caller of the Cluster service drains the node");
    setTimeout(() => void this.#hub.close(options), ANSWER_MS);
    return create(DrainResponseSchema, { clients: BigInt(this.#node.clients.size) });
  }

  #clientState(client: HubClient<Data>): ClientState {
    const { limits } = this.#node;
    const { id, user = "", remoteAddress, protocol, sinceMs, away, topics, outbox, v1, handlers } = client;
    return create(ClientStateSchema, {
      host: this.host,
      id,
      user,
      address: remoteAddress,
      protocol,
      sinceMs: BigInt(sinceMs),
      away,
      topics: [...topics].slice(0, MAX_FOUND),
      bufferedBytes: BigInt(Math.round(away ? v1?.ledger.bytes ?? 0 : outbox.bufferedAmount)),
      maxBufferedBytes: BigInt(Math.min(limits.maxBufferedBytes, Number.MAX_SAFE_INTEGER)),
      sent: BigInt(outbox.sent),
      paused: handlers.paused,
    });
  }
}

function sumOf(tally: Tally): number {
  return Object.values(tally).reduce((sum, count) => sum + count, 0);
}

function* idsOf(clients: Iterable<{ readonly id: string }>): Iterable<string> {
  for (const { id } of clients) yield id;
}

/** Records about the node, which belong to every client and topic. */
const OWN: ReadonlySet<string> = new Set(["node", "token", "key"]);
/** The time that the answer of a drain gets to leave. */
const ANSWER_MS = 20;
/** Records, and topics of a client, in one answer. */
const MAX_FOUND = 500;
const MAX_INT32 = 2_147_483_647;

/** The hub of the node. */
export interface DrainedHub {
  close(options: CloseOptions): Promise<void>;
}

/** Dependencies of {@link NodeWatch}: a node of a cluster. */
export interface WatchedNode<Data> extends HubNode<Data> {
  readonly recorder: FlightRecorder;
  readonly taps: Taps<Data>;
  readonly leaseMs: number;
  /** Throws `failed_precondition` before the node joined. */
  readonly cluster: Cluster<Data>;
}
