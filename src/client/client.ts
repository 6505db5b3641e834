import type { Json } from "../base/json.ts";
import type { Message } from "../send/frame.ts";
import type {
  Delivery,
  EmitOptions,
  From,
  ListenOptions,
  Recovery,
  SendOptions,
  SendToManyOptions,
  SendToTopicOptions,
} from "../send/verbs.ts";

/**
 * One client, server side: over one WebSocket connection or, if it speaks `meshsocket.v1`, over several.
 *
 * Its verbs send like those of its hub; those that go to others leave this client out.
 */
export interface Client<Data = unknown> {
  /** Unique in the cluster for as long as the client lasts. */
  readonly id: string;
  /** The user whose client it is, as its session named it: `hub.user(name)` reaches all of them. Undefined: nobody's. */
  readonly user: string | undefined;
  /** The application's own state, as its session set it: after a resume the new session. */
  data: Data;
  /** The URL of the upgrade request. */
  readonly url: string;
  /** The client's IP address, as its upgrade had it. */
  readonly remoteAddress: string;
  /** The subprotocol spoken; "" for none. */
  readonly protocol: string;
  /** Whether the client takes messages: false from the moment that either side starts to close it. True while it is away. */
  readonly open: boolean;
  /** Whether its connection dropped and it may still come back: messages are held for it. */
  readonly away: boolean;
  /** Bytes that wait for this client to read. */
  readonly bufferedAmount: number;
  /** The topics it listens on. */
  readonly topics: ReadonlySet<string>;

  /**
   * Sends to this client. Resolves, once it was written, with whether its socket took the message or it is held; with
   * `confirm`, with whether the client acknowledged it, as that of the hub does. A handler that awaits that holds up the
   * next one.
   */
  emit(message: Message, options?: EmitOptions): Promise<boolean>;
  /** Asks this client, which must speak `meshsocket.v1`, and resolves with its reply. */
  request(message: Message, options?: SendOptions): Promise<string | Uint8Array>;
  /** Sends to every other client of the hub, on a DistHub of the cluster. */
  broadcast(message: Message, options?: SendToManyOptions): Promise<Delivery>;
  /** Sends to every other client that listens on the topic. */
  publish(topic: string, message: Message, options?: SendToTopicOptions): Promise<Delivery>;
  /**
   * Listens on a topic with history from an earlier place. It gets the messages after that, and then each new one: none twice, none missing,
   * from whatever node they are published. Resolves when it has caught up.
   *
   * If the history no longer goes back to a position, nothing of it is replayed and `recovered` is false. Rejects with `failed_precondition` for a topic
   * without history and for one that the client listens on already, `unavailable` if the history cannot be read, and `canceled` if the client leaves the
   * topic meanwhile.
   *
   * ```ts
   * const { recovered } = await client.subscribe("room:1", { from: { last: 20 } });
   * ```
   */
  subscribe(topic: string, options: ListenOptions & { readonly from: From }): Promise<Recovery>;
  /** Listens on topics. A send that starts after it settled reaches this client, from any node. */
  subscribe(topics: string | readonly string[], options?: SendOptions): Promise<void>;
  /** Stops listening on topics. Nothing published after it settled reaches this client. */
  unsubscribe(topics: string | readonly string[], options?: SendOptions): Promise<void>;
  /**
   * Changes what others see of this client: `members(topic, { info: true })` has it from now on, and each watch of one of its topics
   * hears `update`, once per tick however often it changes. `undefined` takes it away. After a resume it is the
   * info of the new session again. Throws a TypeError (`invalid_argument`) for a value without JSON, or with more
   * than `limits.maxInfoBytes` of it.
   *
   * ```ts
   * client.setInfo({ name: "Alice", cursor: [12, 4] });
   * ```
   */
  setInfo(info: Json | undefined): void;
  /** Closes in order: what was sent before still goes out. `code` defaults to 1000. Throws a TypeError (`invalid_argument`) for a code or reason that cannot be sent. */
  close(code?: number, reason?: string): void;
  /** Cuts the connection at once. */
  terminate(): void;
}
