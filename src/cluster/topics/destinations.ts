import type { Holder } from "../../storage/storage.ts";

/** The nodes that a send to many goes to. */
export interface Destinations {
  /** Hands all other nodes to `use`: at once if they are known. */
  all<Result>(use: (nodes: Iterable<Holder>) => Promise<Result>): Promise<Result>;
  /** Hands the other nodes with clients on the topic to `use`: at once if they are known, and in the order of the callers. */
  ofTopic<Result>(topic: string, use: (nodes: Iterable<Holder>) => Promise<Result>): Promise<Result>;
  /** A node answered that it has no clients on the topic. */
  notHere(topic: string, node: Holder): void;
  /** A node did not answer. */
  noAnswer(topic: string, node: Holder): void;
}
