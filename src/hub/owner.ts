import { type AdmissionHost, Admissions, type Grant } from "../door/admit.ts";
import { checkSendOptions } from "../send/calls.ts";
import type { Client } from "../client/client.ts";
import { CloseCode } from "../base/close-code.ts";
import { Connection } from "../client/connection.ts";
import type { ConnectionOwner, Identity } from "../client/connection-owner.ts";
import type { End } from "../client/handlers.ts";
import type { FanOut } from "../client/fan-out.ts";
import { Frame, type Message } from "../send/frame.ts";
import type { HubNode } from "./node.ts";
import type { HubStatus } from "../base/hub-status.ts";
import type { Limits } from "../base/limits.ts";
import type { Logger } from "../base/logger.ts";
import { checkSize, type Sender } from "../send/sender.ts";
import type { RefusedEvent } from "../door/refusal.ts";
import type { Socket } from "../client/socket.ts";
import type { Delivery, SendOptions, SendToManyOptions } from "../send/verbs.ts";

/**
 * The hub as its connections and its door see it: lets clients in, does what they ask of the hub, and lets them go.
 */
export class Owner<Data> implements ConnectionOwner<Data>, AdmissionHost<Data> {
  readonly limits: Readonly<Limits>;
  readonly logger: Logger;
  readonly dropsSlow: boolean;
  readonly staysAfterError: boolean;
  readonly admissions: Admissions<Data>;
  readonly #node: HubNode<Data>;
  readonly #hub: Sender;

  constructor(node: HubNode<Data>, hub: Sender) {
    this.limits = node.limits;
    this.logger = node.logger;
    this.dropsSlow = node.options.slowConsumer === "drop";
    this.staysAfterError = node.options.handlerError === "report";
    this.#node = node;
    this.#hub = hub;
    this.admissions = new Admissions<Data>(this, node.options);
  }

  // ---- for the door ----

  status(): HubStatus {
    return this.#node.state.status;
  }

  size(): number {
    return this.#node.clients.size;
  }

  claimId(id: string, signal: AbortSignal | undefined): Promise<Grant> {
    return this.#node.registry.claim(id, signal);
  }

  giveUp(id: string, grant: Grant): void {
    this.#node.registry.settle(grant);
    this.#node.registry.release(id, grant.claim);
  }

  join(socket: Socket, identity: Identity<Data>, grant: Grant): Connection<Data> {
    const { clients, registry } = this.#node;
    registry.settle(grant);
    const connection = new Connection<Data>(this, socket, identity);
    const current = clients.get(identity.id);
    if (grant.replaced || (current && current.claim > identity.claim)) {
      connection.close(CloseCode.Replaced, "replaced by a newer connection");
      return connection;
    }
    clients.add(connection);
    current?.close(CloseCode.Replaced, "replaced by a newer connection");
    connection.start(registry.opened(connection, grant));
    return connection;
  }

  refused(event: RefusedEvent): void {
    this.#node.state.events.dispatch("refused", event);
  }

  // ---- for connections ----

  get fanOut(): FanOut<Data> | undefined {
    return this.#node.clients.fanOut;
  }

  willFlush(connection: Connection<Data>): void {
    this.#node.clients.willFlush(connection);
  }

  left(connection: Connection<Data>): void {
    this.#node.clients.delete(connection);
    this.#node.subscriptions.deleteAll(connection);
    this.#node.registry.release(connection.id, connection.claim);
    this.admissions.left(connection);
  }

  connected(client: Client<Data>): void {
    this.#node.state.events.dispatch("connect", { client });
  }

  disconnected(client: Client<Data>, end: End): void {
    this.#node.state.events.dispatch("disconnect", { client, ...end });
  }

  report(text: string, error: unknown): void {
    this.logger.error(`meshsocket: ${text}`, error);
  }

  /** As {@link Calls.run}, for the most frequent call: once the arguments are good its promise does not reject. */
  send(connection: Connection<Data>, message: Message, options?: SendOptions): Promise<boolean> {
    try {
      checkSendOptions(options);
      const frame = checkSize(Frame.of(message), this.limits);
      return connection.enqueue(frame) ? this.#node.clients.taken(frame) : Promise.resolve(false);
    } catch (error) {
      return this.#node.calls.rejected(error);
    }
  }

  request(connection: Connection<Data>, message: Message, options?: SendOptions): Promise<string | Uint8Array> {
    return this.#hub.request(connection.id, message, options);
  }

  broadcast(message: Message, options: SendToManyOptions): Promise<Delivery> {
    return this.#hub.broadcast(message, options);
  }

  publish(topic: string, message: Message, options: SendToManyOptions): Promise<Delivery> {
    return this.#hub.publish(topic, message, options);
  }

  subscribe(connection: Connection<Data>, topics: readonly string[], options?: SendOptions): Promise<void> {
    const { calls, subscriptions } = this.#node;
    return calls.run(options, (checked) => subscriptions.add(connection, topics, checked));
  }

  unsubscribe(connection: Connection<Data>, topics: readonly string[], options?: SendOptions): Promise<void> {
    const { calls, subscriptions } = this.#node;
    return calls.run(options, () => subscriptions.delete(connection, topics));
  }
}
