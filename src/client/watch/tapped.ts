import type { Frame } from "../../send/frame.ts";

/** Sees the messages of one client while somebody taps it. Must not throw. */
export interface Tapped {
  /** Frames of one tick that were written, or are held for the client. */
  sent(frames: readonly Frame[]): void;
  /** A message of the client, before a handler has it. */
  received(data: string | Uint8Array): void;
}

/** The taps of a node; a node without any has none of these. Must not throw. */
export interface TapPoint {
  /** The taps of a client that connects now; undefined if it has none. */
  of(id: string): Tapped | undefined;
  /** A message was queued for the listeners on a topic. */
  published(topic: string, frame: Frame, offered: number): void;
}
