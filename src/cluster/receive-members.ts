import { create } from "@bufbuild/protobuf";
import type { Clients } from "../client/clients.ts";
import { type Answer, AnswerSchema, type Members, Status } from "../gen/meshsocket/node/v1/node_pb.ts";
import { memberBytes, partOf } from "../send/members.ts";
import type { Listener } from "../client/topics.ts";

/** Of members in one answer: more are asked for in parts. */
const MAX_ANSWER_BYTES = 524_288;

/** Who listens here on a topic, on behalf of another node: how many, all, or one part of them. */
export function receiveMembers<Data>(
  clients: Clients<Data>,
  { topic, countOnly, idsOnly, part, parts }: Members,
): Answer {
  const listeners: Iterable<Listener> = clients.topics.listeners(topic) ?? [];
  const members: Listener[] = [];
  let bytes = 0;
  for (const listener of listeners) {
    if (parts > 1 && partOf(listener.id, parts) !== part) continue;
    members.push(listener);
    if (!countOnly) bytes += memberBytes(listener.id, idsOnly ? "" : listener.info);
  }
  if (countOnly) return create(AnswerSchema, { status: Status.OK, delivered: members.length });
  if (parts <= 1 && bytes > MAX_ANSWER_BYTES) {
    // Parts are not of one size, and the topic may grow.
    return create(AnswerSchema, { status: Status.TOO_LONG, delivered: Math.ceil((2 * bytes) / MAX_ANSWER_BYTES) });
  }
  const ids = members.map(({ id }) => id);
  return create(AnswerSchema, { status: Status.OK, ids, infos: idsOnly ? [] : members.map(({ info }) => info) });
}
