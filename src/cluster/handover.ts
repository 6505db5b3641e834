import { create } from "@bufbuild/protobuf";
import type { HandedOver } from "../client/resume/handover.ts";
import { type Answer, AnswerSchema, type Handover, HandoverSchema, Status } from "../gen/meshsocket/node/v1/node_pb.ts";

/** The answer to an eviction that asks for a client, with the client or with why it cannot resume. */
export function handoverAnswer(handed: HandedOver | string): Answer {
  return create(AnswerSchema, { status: Status.OK, handover: toHandover(handed) });
}

function toHandover(handed: HandedOver | string): Handover {
  if (typeof handed === "string") return create(HandoverSchema, { refusal: handed });
  const { received, handled, messages, topics, tagged, lastRequest } = handed;
  return create(HandoverSchema, {
    received: BigInt(received),
    handled: BigInt(handled),
    messages: messages.map(({ data, binary, control }) => ({ data: data.slice(), binary, control })),
    topics: [...topics],
    tagged: [...tagged],
    lastRequest: BigInt(lastRequest),
  });
}

/** The client that a node handed over, or why it did not. */
export function fromHandover(
  { refusal, received, handled, messages, topics, tagged, lastRequest }: Handover,
): HandedOver | string {
  if (refusal !== "") return refusal;
  const counts = { received: Number(received), handled: Number(handled), lastRequest: Number(lastRequest) };
  return { ...counts, messages, topics, tagged };
}
