import type { Clients } from "../client/clients.ts";
import { unlessAborted } from "../base/abort.ts";
import type { Frame } from "../send/frame.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { membersOf } from "../send/members.ts";
import { nobodyHasIt, notAskable } from "../client/requests.ts";
import { keepsNone, type KeptTopics } from "./history/kept-topics.ts";
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

/** The verbs for this node's own clients. */
export class LocalVerbs<Data = unknown> implements Verbs {
  readonly #timeoutMs: number;
  readonly #clients: Clients<Data>;
  readonly #subscriptions: Subscriptions<Data>;
  readonly #kept: KeptTopics<Data>;

  constructor(
    clients: Clients<Data>,
    subscriptions: Subscriptions<Data>,
    timeoutMs: number,
    kept: KeptTopics<Data>,
  ) {
    this.#timeoutMs = timeoutMs;
    this.#clients = clients;
    this.#subscriptions = subscriptions;
    this.#kept = kept;
  }

  emit(id: string, frame: Frame, options?: EmitOptions): Promise<boolean> {
    if (options?.confirm === true) return this.#confirm(id, frame, options);
    if (!this.#clients.emit(id, frame)) return Promise.resolve(false);
    return this.#clients.taken(frame);
  }

  async online(id: string): Promise<boolean> {
    return this.#clients.get(id) !== undefined;
  }

  async broadcast(frame: Frame, except: Except): Promise<Delivery> {
    return await this.#delivery(this.#clients.broadcast(frame, except), frame);
  }

  async publish(topic: string, frame: Frame, except: Except, options?: SendToTopicOptions): Promise<Delivery> {
    const kept = this.#kept.use(topic, (histories, window) => histories.publish(topic, window, frame, except, options));
    if (kept) return await kept;
    if (options?.key !== undefined) keepsNone(topic);
    return await this.#delivery(this.#clients.publish(topic, frame, except), frame);
  }

  history(topic: string, options: HistoryReadOptions): Promise<HistoryPage> {
    return this.#kept.demand(topic, (histories) => histories.history(topic, options));
  }

  position(topic: string, options: SendOptions): Promise<Position> {
    return this.#kept.demand(topic, (histories) => histories.position(topic, options));
  }

  async members(topic: string, options: MembersOptions = {}): Promise<Members> {
    const listeners = [...(this.#clients.topics.listeners(topic) ?? [])];
    return membersOf(listeners.map(({ id }) => id), listeners.map(({ info }) => info), [], options);
  }

  async count(topic: string): Promise<Count> {
    return { count: this.#clients.topics.listeners(topic)?.size ?? 0, unreachable: [] };
  }

  async request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    const connection = this.#clients.get(id);
    if (!connection) throw nobodyHasIt();
    if (!connection.v1) throw notAskable();
    if (connection.arrival) {
      // The numbers of its requests go on where the other node was.
      await connection.arrival;
      return await this.request(id, frame, options);
    }
    return await unlessAborted(connection.v1.ask(frame, options.timeoutMs ?? this.#timeoutMs), options.signal);
  }

  async subscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    const connection = this.#clients.get(id);
    if (connection?.arrival) await connection.arrival;
    if (connection) await this.#subscriptions.add(connection, [topic], options);
    return connection !== undefined;
  }

  async unsubscribe(id: string, topic: string): Promise<boolean> {
    const connection = this.#clients.get(id);
    if (connection?.arrival) await connection.arrival;
    if (connection) await this.#subscriptions.delete(connection, [topic]);
    return connection !== undefined;
  }

  async disconnect(id: string, code: number, reason: string): Promise<boolean> {
    const connection = this.#clients.get(id);
    connection?.close(code, reason);
    return connection !== undefined;
  }

  async #confirm(id: string, frame: Frame, options: EmitOptions): Promise<boolean> {
    const client = this.#clients.get(id);
    if (!client) return false;
    const confirmed = this.#clients.confirm(client, frame, options.timeoutMs ?? this.#timeoutMs);
    return await unlessAborted(confirmed, options.signal);
  }

  /** The fate of a frame that was offered to several sockets, once this tick is written. */
  async #delivery(offered: number, frame: Frame): Promise<Delivery> {
    await this.#clients.written();
    const { held, refused } = frame.outcome;
    return { delivered: offered - held - refused, held, dropped: refused, unreachable: [] };
  }
}
