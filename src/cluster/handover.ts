import { create } from "@bufbuild/protobuf";
import type { Adoption } from "../client/resume/adoption.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";
import type { HandedOver } from "../client/resume/handover.ts";
import type { Holder } from "../storage/storage.ts";
import {
  type Adopt,
  AdoptSchema,
  type Answer,
  AnswerSchema,
  type Handover,
  HandoverSchema,
  type Resume,
  Status,
} from "../gen/meshsocket/node/v1/node_pb.ts";

/** The answer to a node that asks for a client, with the client or with why it cannot resume. */
export function handoverAnswer(handed: HandedOver | string): Answer {
  return create(AnswerSchema, { status: Status.OK, handover: toHandover(handed) });
}

/** The answer to an eviction whose client waits for {@link handoverAnswer}: its topics, and the nodes that may send to it. */
export function waitingAnswer(listens: Pick<HandedOver, "topics" | "tagged">, nodes: readonly Holder[]): Answer {
  const topics = { topics: [...listens.topics], tagged: [...listens.tagged] };
  const handover = create(HandoverSchema, { waits: true, ...topics, nodes: nodes.map(holderOf) });
  return create(AnswerSchema, { status: Status.OK, handover });
}

function holderOf({ host, life }: Holder): Holder {
  return { host, life };
}

function toHandover(handed: HandedOver | string): Handover {
  if (typeof handed === "string") return create(HandoverSchema, { refusal: handed });
  const { received, handled, messages, topics, tagged, places, lastRequest, token, former } = handed;
  return create(HandoverSchema, {
    received: BigInt(received),
    handled: BigInt(handled),
    messages: messages.map(({ data, binary, control }) => ({ data: data.slice(), binary, control })),
    topics: [...topics],
    tagged: [...tagged],
    places: places.map((place) => ({ ...place, offset: BigInt(place.offset) })),
    lastRequest: BigInt(lastRequest),
    token,
    former,
  });
}

/** The client that a node handed over, or why it did not. */
export function fromHandover(
  { refusal, received, handled, messages, topics, tagged, places, lastRequest, token, former }: Handover,
): HandedOver | string {
  if (refusal !== "") return refusal;
  const counts = { received: Number(received), handled: Number(handled), lastRequest: Number(lastRequest) };
  const from = places.map(({ topic, epoch, offset, delta }) => ({ topic, epoch, offset: Number(offset), delta }));
  return { ...counts, messages, topics, tagged, places: from, ...token && { token, former } };
}

/** The offer of a client that comes back on another node. */
export function offerOf({ token, received, user, adopts }: Omit<Resume, "$typeName">): ResumeOffer {
  return { token, received: Number(received), user: user || undefined, ...adopts && { former: "" } };
}

/** A client that another node is asked to take over. */
export function toAdopt({ user = "", received, expiresAt = 0, ...names }: Adoption): Adopt {
  return create(AdoptSchema, { ...names, user, received: BigInt(received), expiresAtMs: BigInt(expiresAt) });
}

/** The client that this node is asked to take over. */
export function fromAdopt(
  { id, user, info, url, remoteAddress, token, former, received, expiresAtMs }: Adopt,
): Adoption {
  const named = { id, user: user || undefined, info, url, remoteAddress, token, former };
  return { ...named, received: Number(received), expiresAt: Number(expiresAtMs) || undefined };
}
