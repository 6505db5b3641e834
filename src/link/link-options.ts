import type { OpenLine } from "./line.ts";
import type { Holder } from "../storage/storage.ts";

/** How a Link behaves. */
export interface LinkOptions {
  /** The life of the node that the link leads to. */
  to: Holder;
  /** The sender; undefined if it is not a node. */
  from: (() => Holder) | undefined;
  open: OpenLine;
  /** Whether a line without calls is kept for the next ones. */
  keepOpen: boolean;
  /** Batches that may be unanswered at once. More calls wait and grow the next batch. */
  maxInFlight: number;
  maxBytes: number;
  maxCalls: number;
  /** Milliseconds without an answer after which the line is taken for dead. */
  silenceMs: number;
  /** Milliseconds of quiet after which the node is asked for a sign of life. */
  pingMs: number;
  /** Called when the link has something to watch over: {@link Link.onTime} is wanted from now on. */
  onActive: () => void;
  /** Called when the node answered as another life: this link leads nowhere. */
  onOtherLife: () => void;
}
