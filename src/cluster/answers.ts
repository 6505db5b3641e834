import { MeshError } from "../base/error.ts";
import { type Answer, Status } from "../gen/meshsocket/node/v1/node_pb.ts";

/** Whether the owner did what it was asked for; false if it has no such client. Throws as {@link checked} does. */
export function isOk(answer: Answer | undefined): boolean {
  return checked(answer)?.status === Status.OK;
}

/** {@link isOk} for a subscription; throws for one that failed. */
export function isSubscribed(answer: Answer | undefined): boolean {
  if (answer?.status === Status.FULL) {
    throw new MeshError("resource_exhausted", "the client listens on too many topics");
  }
  if (answer?.status === Status.FAILED) throw new MeshError("unavailable", "the owner could not reach its storage");
  return isOk(answer);
}

/** Throws for an answer that the owner cannot have meant. */
export function checked(answer: Answer | undefined): Answer | undefined {
  if (answer?.status === Status.INVALID) throw new MeshError("invalid_argument", "the owner refused the arguments");
  // A later version may have a status that this one does not know: the item may or may not have been done.
  if (answer && !KNOWN.has(answer.status)) {
    throw new MeshError("unknown", "could not understand the owner's answer: run one version on all nodes");
  }
  return answer;
}

const KNOWN: ReadonlySet<Status> = new Set([
  Status.OK,
  Status.NOT_HERE,
  Status.FULL,
  Status.FAILED,
  Status.NO_REQUESTS,
  Status.NO_REPLY,
]);
