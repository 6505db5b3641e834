import { MeshError } from "../../base/error.ts";

/** The state of a client of `meshsocket.v1` that goes on on another node. */
export interface HandedOver {
  /** How many messages to the client come before the first of {@link HandedOver.messages}. */
  readonly received: number;
  /** How many of the client's messages were handed to the application. */
  readonly handled: number;
  /** The messages that the client has not got, in order. */
  readonly messages: readonly HeldMessage[];
  /** Topics on which the server made it listen. */
  readonly topics: readonly string[];
  /** Topics to which it subscribed itself: it gets their messages tagged. */
  readonly tagged: readonly string[];
  /** The places from which it goes on in those that keep history. */
  readonly places: readonly TopicPlace[];
  /** The number of the last request to the client. */
  readonly lastRequest: number;
  /** Of a client that did not come itself: the token with which it may come back, and the one before, "" for none. */
  readonly token?: string;
  readonly former?: string;
}

/** A place in the history of a topic. */
export interface TopicPlace {
  readonly topic: string;
  readonly epoch: string;
  readonly offset: number;
  /** The client gets the topic's messages as deltas. */
  readonly delta: boolean;
}

/** A message that waits for a client. */
export interface HeldMessage {
  readonly data: Uint8Array;
  readonly binary: boolean;
  /** A control line rather than a message of the application. */
  readonly control: boolean;
}

/** The most bytes of messages that one client takes along to another node: as much as fits into an answer between nodes. */
export const MAX_HANDOVER_BYTES = 786_432;

/** How long a client waits on its old node for the one that takes it, which needs less, unless it died. */
export const MAX_LEAVING_MS = 10_000;

/** The topics that move with a client: those of the server, and those to which it subscribed itself. */
export function listensOn({ topics, tagged }: ListeningClient): Pick<HandedOver, "topics" | "tagged"> {
  const byServer = [...topics].filter((topic) => tagged?.get(topic) !== false);
  return { topics: byServer, tagged: [...(tagged?.keys() ?? [])] };
}

/** The client of {@link listensOn}: all its topics, and those to which it subscribed itself. */
interface ListeningClient {
  readonly topics: ReadonlySet<string>;
  readonly tagged: ReadonlyMap<string, boolean> | undefined;
}

/** The error of a call that only the node of a client can carry out, on one that it left. */
export function movedElsewhere(advice: string): MeshError {
  return new MeshError("unknown", `the client moved to another node: ${advice}`);
}
