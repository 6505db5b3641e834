import type { HandlersDependencies } from "./handlers.ts";
import type { ClientVerbsOwner } from "./verbs/client-verbs.ts";
import type { OutboxOwner } from "./outbox.ts";
import type { Protocol, ProtocolOwner } from "./resume/protocol.ts";
import type { LostReason, ResumeOffer } from "./resume/resume.ts";
import type { SessionFields } from "./session.ts";
import type { Frame, Message } from "../send/frame.ts";
import type { Delivery, SendToTopicOptions } from "../send/verbs.ts";

/** Dependencies of a client, `Own`, and of its parts. */
export interface ClientOwner<Data, Own>
  extends HandlersDependencies<Data>, OutboxOwner<Own>, ProtocolOwner<Own>, ClientVerbsOwner<Own> {
  publish(topic: string, message: Message, options: SendToTopicOptions): Promise<Delivery>;
  /** The client takes no more messages. Called once. */
  left(client: Own): void;
  /** Closes a client that goes on on another node. */
  closeElsewhere(client: Own, code: number, reason: string): void;
  away(client: Own): void;
  /** The messages that wait until the client has read, as it is to get them, and wait no more. */
  takeWaiting(client: Own): Frame[];
  infoChanged(client: Own): void;
  resumed(client: Own): void;
  /** An away client was given up, with the messages that it did not acknowledge. */
  lost(client: Own, reason: LostReason, undelivered: readonly (string | Uint8Array)[]): void;
}

/** The identity of a client and of its new connection, as the admission settled it. */
export interface Identity<Data> {
  readonly id: string;
  readonly claim: bigint;
  readonly session: SessionFields<Data>;
  readonly url: string;
  readonly remoteAddress: string;
  readonly protocol: string;
  /** The code of `meshsocket.v1`, if the connection speaks it. */
  readonly v1: typeof Protocol | undefined;
  /** The JSON that other clients may see of this one; "" for none. */
  readonly info: string;
  /** The secret by which a client gets back an id that its session does not name; undefined if it names it. */
  readonly idSecret?: string | undefined;
  /** The token and position of a client that asked to resume. */
  readonly resume: ResumeOffer | undefined;
}
