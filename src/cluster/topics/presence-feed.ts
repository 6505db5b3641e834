import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Clients } from "../../client/clients.ts";
import {
  type PresenceRequest,
  type PresenceResponse,
  PresenceResponseSchema,
} from "../../gen/meshsocket/node/v1/node_pb.ts";
import { memberBytes } from "../../send/members.ts";
import { Pipe } from "../../base/pipe.ts";
import type { PresentMember } from "../../hub/presence-view.ts";
import type { Holder } from "../../storage/storage.ts";
import { untilAborted } from "../../base/until-aborted.ts";

const SIGN_OF_LIFE_MS = 15_000;
/** Changes that may wait for the reader. More: the line ends, and the reader starts again with a snapshot. */
const MAX_WAITING = 16_384;
/** Of a snapshot's members in one response. */
const MAX_PART_BYTES = 262_144;

/**
 * Reports the members here of the topics that another node asks for: a snapshot first, then every change.
 *
 * Ends when the caller does or the signal is aborted; ends at once when the caller means another life of this node.
 */
export function presenceFeed<Data>(
  clients: Clients<Data>,
  requests: AsyncIterable<PresenceRequest>,
  node: { readonly holder: Holder },
  signal: AbortSignal,
): AsyncIterable<PresenceResponse> {
  const responses = new Pipe<PresenceResponse>();
  const watched = new Map<string, () => void>();
  const timer = setInterval(() => responses.push(create(PresenceResponseSchema)), SIGN_OF_LIFE_MS);
  // Not left to the end of the iteration: a reader that went away may never take another step.
  const end = (): void => {
    clearInterval(timer);
    for (const stop of watched.values()) stop();
    watched.clear();
    responses.end();
  };
  const read = async (): Promise<void> => {
    for await (const { toLife, topic, wanted } of untilAborted(requests, signal)) {
      if (toLife !== "" && toLife !== node.holder.life) return;
      if (topic === "") continue;
      watched.get(topic)?.();
      watched.delete(topic);
      if (wanted) watched.set(topic, observe(clients, topic, responses));
    }
  };
  read().then(end, end);
  return responses;
}

function observe<Data>(clients: Clients<Data>, topic: string, responses: Pipe<PresenceResponse>): () => void {
  for (const response of snapshot(topic, clients.topics.listeners(topic) ?? [])) responses.push(response);
  const push = (change: Pick<MessageInitShape<typeof PresenceResponseSchema>, "joined" | "left">): void => {
    if (responses.length < MAX_WAITING) responses.push(create(PresenceResponseSchema, { topic, ...change }));
    else responses.end();
  };
  return clients.topics.observe(topic, {
    joined: ({ id, info, user = "" }) => push({ joined: [{ id, info, user }] }),
    left: ({ id, replaced }) => push({ left: [{ id, replaced }] }),
  });
}

/** All members, in as many responses as keep each one short. */
function* snapshot(topic: string, members: Iterable<PresentMember>): Iterable<PresenceResponse> {
  let joined: Required<PresentMember>[] = [];
  let bytes = 0;
  for (const { id, info, user = "" } of members) {
    if (bytes > MAX_PART_BYTES) {
      yield create(PresenceResponseSchema, { topic, snapshot: true, more: true, joined });
      joined = [];
      bytes = 0;
    }
    joined.push({ id, info, user });
    bytes += memberBytes(id, info) + user.length * 3;
  }
  yield create(PresenceResponseSchema, { topic, snapshot: true, joined });
}
