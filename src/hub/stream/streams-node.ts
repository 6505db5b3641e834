import type { HubStatus } from "../../base/hub-status.ts";
import type { Limits } from "../../base/limits.ts";
import type { HistoryWindow } from "../../history/history.ts";
import type { Verbs } from "../../send/verbs.ts";
import type { Ear } from "../history/ear.ts";

/** The node of streams. */
export interface StreamsNode {
  readonly limits: Readonly<Limits>;
  readonly clients: { readonly topics: { isLatest(topic: string): boolean } };
  readonly kept: { windowOf(topic: string): HistoryWindow | undefined };
  readonly verbs: Pick<Verbs, "publish" | "history">;
  readonly registry: {
    readonly life: string;
    readonly leaseMs: number;
    lives(life: string): boolean;
  };
  readonly state: {
    readonly status: HubStatus;
    readonly events: { on(type: "nodeleave", listener: () => void): () => void };
  };
  /** How many clients of this node listen on a topic. */
  listeners(topic: string): number;
  /** Lets a part of this node listen on a topic with history. Returns what ends that. */
  hear(topic: string, ear: Ear): Promise<() => void>;
}
