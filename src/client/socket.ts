import type { Frame } from "../send/frame.ts";

/**
 * One accepted WebSocket, as an adapter hands it to the core: the whole of what the core asks of an engine.
 *
 * An adapter gives a Socket to `Admission.open` and then calls the returned {@link SocketReceiver}.
 * No method may throw, whatever the state of the connection, and none may call the receiver before it returned.
 */
export interface Socket {
  /** Bytes that the engine took and has not yet handed to the operating system. */
  readonly bufferedAmount: number;
  /**
   * Takes frames, in order, with one write. Returns how many it took, counted from the first:
   * those it did not take are lost, so fewer than all means that the connection is of no more use.
   */
  send(frames: readonly Frame[]): number;
  /** Starts the closing handshake after everything sent so far. The receiver's `closed` follows. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. The receiver's `closed` follows. */
  terminate(): void;
  /** Sends a ping, where the engine can: the receiver's `control` says that the pong came. Without it the peer is tested by text, if its session says how, and by whether it reads. */
  ping?(): void;
  /** Stops reading, where the engine can. Without it a client that sends too fast is closed. */
  pause?(): void;
  /** Reads again. */
  resume?(): void;
}

/** Hears from an adapter what happens on a {@link Socket}. Calls after `closed` are ignored. */
export interface SocketReceiver {
  /**
   * A whole message arrived. Bytes must stay unchanged afterwards.
   * `more`: others may have come with it, and before anything else runs `handled` follows. Default false.
   */
  message(data: string | Uint8Array, more?: boolean): void;
  /** The last message was handed on of those that came at once: what they were answered is written now. */
  handled(): void;
  /** A ping or a pong arrived. Never called by an engine that does not show them. */
  control(): void;
  /** The connection is gone; 1005 when the peer gave no code, 1006 when it was lost. Called once. */
  closed(code: number, reason: string): void;
  /** The connection failed; `closed` follows. */
  error(error: Error): void;
}
