import type { Acks } from "./resume/acks.ts";
import type { Connection } from "./connection.ts";
import type { FanOut } from "./fan-out.ts";
import type { HandlersHost } from "./handlers.ts";
import type { HubClient, LostReason } from "./hub-client.ts";
import type { Budget } from "./resume/ledger.ts";
import type { Message } from "../send/frame.ts";
import type { ResumeOffer } from "./resume/protocol.ts";
import type { Session } from "./session.ts";
import type { Delivery, SendOptions, SendToManyOptions } from "../send/verbs.ts";

/** Dependencies of {@link HubClient} and of its connections. */
export interface ConnectionOwner<Data> extends HandlersHost<Data> {
  /** Whether a client that reads too slowly stays and misses messages, rather than being closed. */
  readonly dropsSlow: boolean;
  /** The fan-out of this tick that has not reached all members of its group yet. */
  readonly fanOut: FanOut<Data> | undefined;
  /** How long, and with how many bytes, clients that are away are waited for. */
  readonly resume: ResumeOptions;
  readonly resumeBudget: Budget;
  readonly acks: Acks;
  /** The client has frames for the end of this tick. */
  willFlush(client: HubClient<Data>): void;
  /** The connection started to close or was lost. Called once. */
  detached(connection: Connection<Data>): void;
  /** The client takes no more messages. Called once. */
  left(client: HubClient<Data>): void;
  away(client: HubClient<Data>): void;
  resumed(client: HubClient<Data>): void;
  /** An away client was given up, with the messages that it did not acknowledge. */
  lost(client: HubClient<Data>, reason: LostReason, undelivered: readonly (string | Uint8Array)[]): void;
  /** A promise that rejects with the error of `check`, and that is heard like that of a call. */
  rejected(check: () => void): Promise<never>;
  send(client: HubClient<Data>, message: Message, options: SendOptions | undefined): Promise<boolean>;
  request(client: HubClient<Data>, message: Message, options?: SendOptions): Promise<string | Uint8Array>;
  broadcast(message: Message, options: SendToManyOptions): Promise<Delivery>;
  publish(topic: string, message: Message, options: SendToManyOptions): Promise<Delivery>;
  subscribe(client: HubClient<Data>, topics: readonly string[], options?: SendOptions): Promise<void>;
  unsubscribe(client: HubClient<Data>, topics: readonly string[], options?: SendOptions): Promise<void>;
}

/** The identity of a client and of its new connection, as the admission settled it. */
export interface Identity<Data> {
  readonly id: string;
  readonly claim: bigint;
  readonly session: Session<Data>;
  readonly url: string;
  readonly remoteAddress: string;
  readonly protocol: string;
  /** The JSON that other clients may see of this one; "" for none. */
  readonly info: string;
  /** The token and position of a client that asked to resume. */
  readonly resume: ResumeOffer | undefined;
}

/** How a hub waits for clients of `meshsocket.v1` whose connection dropped. */
export interface ResumeOptions {
  /** Milliseconds that an away client may take to come back; 0: clients are never away. Default 30,000. */
  readonly windowMs: number;
  /** Bytes of unacknowledged messages that are kept for a client. An away client that needs more is lost. Default 262,144. */
  readonly maxBytes: number;
}
