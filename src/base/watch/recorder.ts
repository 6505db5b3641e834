/**
 * The flight recorder of a node, as the parts see it that write to it.
 *
 * Only what goes wrong or changes a client's state is recorded, never a message and never a text of the application.
 */
export interface Recorder {
  /** `code` is a close code or an HTTP status; 0 for none. */
  record(kind: RecordKind, about: Subject, text: string, code?: number): void;
}

/** Things that may explain why a message did not arrive. */
export type RecordKind =
  | "connected"
  | "closed"
  | "refused"
  | "away"
  | "resumed"
  | "lost"
  /** The client's buffer was full. */
  | "dropped"
  /** A handler of the application failed. */
  | "handler"
  /** A send rejected. */
  | "failed"
  /** A send found nobody with the id, or no listeners on the topic. */
  | "nobody"
  /** Another node came with a token that is not good here. */
  | "token"
  /** A back-end or an operator came with a token, or with the token of a key, that does not open the call. */
  | "key"
  /** Something about the node or the cluster as a whole. */
  | "node";

/** The client or the topic that a record is about; neither if it is about the node. */
export interface Subject {
  readonly id?: string | undefined;
  readonly topic?: string | undefined;
}

/** Keeps nothing. */
export const NO_RECORDER: Recorder = { record() {} };
