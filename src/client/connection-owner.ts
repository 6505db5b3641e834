import type { Connection } from "./connection.ts";
import type { FanOut } from "./fan-out.ts";
import type { HandlersHost } from "./handlers.ts";
import type { Message } from "../send/frame.ts";
import type { Session } from "./session.ts";
import type { Delivery, SendOptions, SendToManyOptions } from "../send/verbs.ts";

/** Dependencies of {@link Connection}. */
export interface ConnectionOwner<Data> extends HandlersHost<Data> {
  /** Whether a client that reads too slowly stays and misses messages, rather than being closed. */
  readonly dropsSlow: boolean;
  /** The fan-out of this tick that has not reached all members of its group yet. */
  readonly fanOut: FanOut<Data> | undefined;
  /** The connection has frames for the end of this tick. */
  willFlush(connection: Connection<Data>): void;
  /** The connection started to close or was lost: it takes no more messages. Called once. */
  left(connection: Connection<Data>): void;
  send(connection: Connection<Data>, message: Message, options: SendOptions | undefined): Promise<boolean>;
  request(connection: Connection<Data>, message: Message, options?: SendOptions): Promise<string | Uint8Array>;
  broadcast(message: Message, options: SendToManyOptions): Promise<Delivery>;
  publish(topic: string, message: Message, options: SendToManyOptions): Promise<Delivery>;
  subscribe(connection: Connection<Data>, topics: readonly string[], options?: SendOptions): Promise<void>;
  unsubscribe(connection: Connection<Data>, topics: readonly string[], options?: SendOptions): Promise<void>;
}

/** A connection's identity, as its admission settled it. */
export interface Identity<Data> {
  readonly id: string;
  readonly claim: bigint;
  readonly session: Session<Data>;
  readonly url: string;
  readonly remoteAddress: string;
  readonly protocol: string;
  /** The JSON that other clients may see of this one; "" for none. */
  readonly info: string;
}
