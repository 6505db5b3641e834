import type { HandlerContext } from "@connectrpc/connect";
import { Frame } from "../send/frame.ts";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Delivery as DeliveryMessage, DeliverySchema } from "../gen/meshsocket/v1/cluster_pb.ts";
import type { Delivery, Except, SendOptions } from "../send/verbs.ts";

/** A message as a hub's verbs take it. Throws a TypeError (`invalid_argument`) for text that is not UTF-8. */
export function payload(data: Uint8Array, binary: boolean): string | Uint8Array {
  return Frame.fromBytes(data, binary).payload;
}

/** The caller's deadline, if it set one, and the end of its call. */
export function sendOptions(context: HandlerContext): SendOptions {
  const timeoutMs = context.timeoutMs();
  const within = timeoutMs === undefined ? undefined : Math.min(Math.max(1, timeoutMs), MAX_TIMEOUT_MS);
  return { signal: context.signal, timeoutMs: within };
}

/** A gRPC deadline may be far longer than a call can wait. */
const MAX_TIMEOUT_MS = 2_147_483_647;

export function deliveryMessage(delivery: Delivery): MessageInitShape<typeof DeliverySchema> {
  return {
    delivered: BigInt(delivery.delivered),
    held: BigInt(delivery.held),
    dropped: BigInt(delivery.dropped),
    unreachable: [...delivery.unreachable],
    ...(delivery.offset !== undefined && { epoch: delivery.epoch, offset: BigInt(delivery.offset) }),
  };
}

export function deliveryOf(message: DeliveryMessage | undefined): Delivery {
  return {
    delivered: Number(message?.delivered ?? 0),
    held: Number(message?.held ?? 0),
    dropped: Number(message?.dropped ?? 0),
    unreachable: message?.unreachable ?? [],
    ...(message?.epoch && { epoch: message.epoch, offset: Number(message.offset ?? 0n) }),
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A message as it travels. */
export interface DataMessage {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly binary: boolean;
}

/** The reply of a client as it travels. */
export function toReply(reply: string | Uint8Array): DataMessage {
  const binary = typeof reply !== "string";
  return { data: binary ? new Uint8Array(reply) : encoder.encode(reply), binary };
}

export function fromReply({ data, binary }: { data: Uint8Array; binary: boolean }): string | Uint8Array {
  return binary ? data : decoder.decode(data);
}

/** A frame as it travels, with the ids to leave out. */
export function toMany(frame: Frame, except: Except): DataMessage & { except: string[] } {
  return { data: frame.bytes, binary: frame.binary, except: [...(except ?? [])] };
}
