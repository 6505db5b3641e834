import type { SendOptions, Verbs } from "../../send/verbs.ts";
import type { UserVerbs } from "../../send/user-verbs.ts";

/** The verbs of a DistClient: through one node, or straight to the owners. */
export interface ClusterVerbs extends Verbs {
  readonly user: UserVerbs;
  nodes(options: SendOptions): Promise<string[]>;
  /** The members of a topic, and then their changes. Rejects with a MeshError. */
  watchPresence(topic: string, signal: AbortSignal): AsyncIterable<PresenceStep>;
  /** Gives up the calls that are under way. */
  close(): void;
}

/** A change of a topic's members, or the moment from which all of them are known; without a `change` a sign of life. */
export interface PresenceStep {
  readonly change: "ready" | "join" | "leave" | "update" | undefined;
  readonly id: string;
  readonly user: string;
  /** As JSON. */
  readonly info: string;
}

/** Opens the stream of a topic's members. */
export type OpenWatch = (signal: AbortSignal) => AsyncIterable<PresenceStep>;
