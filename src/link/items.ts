import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import type { Traces } from "../base/trace/tracing.ts";
import { utf8Bytes } from "../base/check/check.ts";
import type { Frame } from "../send/frame.ts";
import {
  type Adopt,
  type Emit,
  type Item,
  ItemSchema,
  type Members,
  type ReplySchema,
  type ResumeSchema,
} from "../gen/meshsocket/node/v1/node_pb.ts";

/** An item for a node's batch, with about its size in bytes. */
export interface SizedItem {
  readonly item: Item;
  readonly bytes: number;
  /** Sent in a call of its own: its answer waits for more than the other node's tick, or may be long, and would hold up the line. */
  readonly beside?: true;
}

/** The item, with the span that is active here, if one is. */
export function traced(sending: SizedItem, { current }: Traces): SizedItem {
  const traceparent = current?.traceparent();
  if (traceparent !== undefined) sending.item.traceparent = traceparent;
  return sending;
}

/** The item, to be sent in a call of its own. */
export function beside({ item, bytes }: SizedItem): SizedItem {
  return { item, bytes, beside: true };
}

/** A node as items name it. */
interface HolderName {
  readonly host: string;
  readonly life: string;
}

const OVERHEAD_BYTES = 32;

function sized(kind: MessageInitShape<typeof ItemSchema>["kind"], bytes: number): SizedItem {
  return { item: create(ItemSchema, { kind }), bytes: bytes + OVERHEAD_BYTES };
}

function listBytes(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + utf8Bytes(name) + 4, 0);
}

export function emitItem(id: string, frame: Frame): SizedItem {
  // Written out: `create` costs more than all the rest of a call, and a message is a plain object with a name.
  const value: Emit = { $typeName: "meshsocket.node.v1.Emit", id, data: frame.bytes, binary: frame.binary };
  const item: Item = { $typeName: "meshsocket.node.v1.Item", kind: { case: "emit", value } };
  return { item, bytes: frame.byteLength + id.length + OVERHEAD_BYTES };
}

export function broadcastItem(frame: Frame, except: ReadonlySet<string> | undefined): SizedItem {
  const value = { data: frame.bytes, binary: frame.binary, except: [...(except ?? [])] };
  return sized({ case: "broadcast", value }, frame.byteLength + listBytes(value.except));
}

export function publishItem(topic: string, frame: Frame, except: ReadonlySet<string> | undefined): SizedItem {
  const { epoch = "", offset = 0 } = frame.place ?? {};
  const value = {
    topic,
    data: frame.bytes,
    binary: frame.binary,
    except: [...(except ?? [])],
    epoch,
    offset: BigInt(offset),
  };
  return sized({ case: "publish", value }, frame.byteLength + topic.length + listBytes(value.except));
}

/** With what a client of meshsocket.v1 came back. */
interface EvictOffer {
  readonly token: string;
  readonly received: number;
  readonly user?: string | undefined;
  /** Defined if the client did not come itself. */
  readonly former?: string;
}

/** `resume` asks for a client of meshsocket.v1 that came back here. */
export function evictItem(id: string, claim: bigint, resume?: EvictOffer): SizedItem {
  return sized({ case: "evict", value: { id, claim, resume: toResume(resume) } }, id.length + offerBytes(resume));
}

function toResume(offer: EvictOffer | undefined): MessageInitShape<typeof ResumeSchema> | undefined {
  return offer &&
    {
      token: offer.token,
      received: BigInt(offer.received),
      user: offer.user ?? "",
      adopts: offer.former !== undefined,
    };
}

function offerBytes({ token, user = "" }: EvictOffer = { token: "", received: 0 }): number {
  return token.length + user.length;
}

/** A client that moves to the node that made the claim. */
interface Moving {
  readonly id: string;
  readonly claim: bigint;
}

/** Takes a call of its own, because it waits for both ends of the move. */
export function cutItem(old: HolderName, next: HolderName, moving: readonly Moving[]): SizedItem {
  return beside(sized({ case: "cut", value: { old, new: next, moving: moving.map(named) } }, movingBytes(moving)));
}

export function markItem(moving: readonly Moving[]): SizedItem {
  return sized({ case: "mark", value: { moving: moving.map(named) } }, movingBytes(moving));
}

function named({ id, claim }: Moving): Moving {
  return { id, claim };
}

function movingBytes(moving: readonly Moving[]): number {
  return listBytes(moving.map(({ id }) => id)) + 10 * moving.length;
}

export function takeItem(
  id: string,
  claim: bigint,
  lives: readonly string[],
  marked: readonly string[],
): SizedItem {
  const value = { id, claim, lives: [...lives], marked: [...marked] };
  return sized({ case: "take", value }, id.length + listBytes(lives) + listBytes(marked));
}

export function adoptItem(value: Adopt): SizedItem {
  const { id, user, info, url, remoteAddress, token, former } = value;
  return sized({ case: "adopt", value }, listBytes([id, user, info, url, remoteAddress, token, former]));
}

/** `resume` says that the client of the id came back here. */
export function disownItem(id: string, claim: bigint, resume?: EvictOffer): SizedItem {
  const value = { id, claim, resume: toResume(resume) };
  return beside(sized({ case: "disown", value }, id.length + offerBytes(resume)));
}

export function onlineItem(id: string): SizedItem {
  return sized({ case: "online", value: { id } }, id.length);
}

export function disconnectItem(id: string, code: number, reason: string): SizedItem {
  return sized({ case: "disconnect", value: { id, code, reason } }, id.length + reason.length);
}

/** Asks for the members of a topic: only how many, or one of several parts, with or without their infos. */
export function membersItem(topic: string, wish: Partial<Omit<Members, "topic" | keyof Message>>): SizedItem {
  return sized({ case: "members", value: { topic, ...wish } }, topic.length);
}

/** A `key` of 0 has the answer itself wait for the reply. */
export function requestItem(id: string, frame: Frame, key: bigint, timeoutMs: number): SizedItem {
  const value = { id, data: frame.bytes, binary: frame.binary, key, timeoutMs: Math.max(1, Math.ceil(timeoutMs)) };
  return sized({ case: "request", value }, frame.byteLength + id.length);
}

/** A message to be acknowledged. A `key` of 0 has the answer itself wait for that. */
export function confirmItem(id: string, frame: Frame, key: bigint, timeoutMs: number): SizedItem {
  const value = { id, data: frame.bytes, binary: frame.binary, key, timeoutMs: Math.max(1, Math.ceil(timeoutMs)) };
  return sized({ case: "confirm", value }, frame.byteLength + id.length);
}

export function replyItem(reply: MessageInitShape<typeof ReplySchema>): SizedItem {
  return sized({ case: "reply", value: reply }, reply.data?.byteLength ?? 0);
}

export function interestItem(topic: string): SizedItem {
  return sized({ case: "interest", value: { topic } }, topic.length);
}

export function subscriptionItem(id: string, topic: string, wanted: boolean): SizedItem {
  return sized({ case: "subscription", value: { id, topic, wanted } }, id.length + topic.length);
}
