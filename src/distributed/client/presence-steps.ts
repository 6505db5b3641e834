import {
  type WatchPresenceResponse,
  WatchPresenceResponse_Change as Change,
} from "../../gen/meshsocket/v1/cluster_pb.ts";
import { fromRpcError } from "../../rpc/error.ts";
import type { PresenceStep } from "./cluster-verbs.ts";

/** The answers of a node as steps. Rejects with a MeshError when the call fails. */
export async function* presenceSteps(
  responses: AsyncIterable<WatchPresenceResponse>,
  signal: AbortSignal,
): AsyncIterable<PresenceStep> {
  try {
    for await (const { change, id, user, info } of responses) yield { change: STEPS.get(change), id, user, info };
  } catch (error) {
    throw fromRpcError(error, { signal });
  }
}

const STEPS: ReadonlyMap<Change, PresenceStep["change"]> = new Map([
  [Change.READY, "ready"],
  [Change.JOIN, "join"],
  [Change.LEAVE, "leave"],
  [Change.UPDATE, "update"],
]);
