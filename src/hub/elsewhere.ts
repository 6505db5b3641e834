import { MeshError } from "../base/error.ts";
import type { Sender } from "../send/sender.ts";
import type { ListenOptions, SendOptions } from "../send/verbs.ts";

/*
 * The verbs of a client that goes on on another node, or is about to: handlers that began here still have it. They are carried out
 * by its id, where it is.
 */

/** Rejects with `unknown` for a place in a history: only the node of the client can begin there. */
export async function subscribeElsewhere(
  hub: Sender,
  id: string,
  topics: readonly string[],
  { from, ...options }: ListenOptions,
): Promise<void> {
  if (from !== undefined) throw moved("subscribe in onResume");
  await Promise.all(topics.map((topic) => hub.subscribe(id, topic, options)));
}

export async function unsubscribeElsewhere(
  hub: Sender,
  id: string,
  topics: readonly string[],
  options: SendOptions,
): Promise<void> {
  await Promise.all(topics.map((topic) => hub.unsubscribe(id, topic, options)));
}

/** The error of a call that only the node of a client can carry out. */
export function moved(advice: string): MeshError {
  return new MeshError("unknown", `the client moved to another node: ${advice}`);
}
