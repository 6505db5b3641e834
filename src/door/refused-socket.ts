import type { Ending } from "./refusal.ts";
import { cutAfter } from "../client/cut-after.ts";
import type { Socket, SocketReceiver } from "../client/socket.ts";

/** A connection that was opened only to be closed with a code: a page cannot see the status of a refused upgrade. */
export class RefusedSocket implements SocketReceiver {
  readonly #gone: () => void;
  #ended = false;

  /** `gone` is called once, when the connection has ended. */
  constructor(socket: Socket, { code, text }: Ending, closeTimeoutMs: number, gone: () => void) {
    this.#gone = gone;
    // An adapter may hand the socket over from within the engine's own callback, in which not every engine can close.
    queueMicrotask(() => {
      if (this.#ended) return;
      socket.close(code, text);
      cutAfter(closeTimeoutMs, socket, () => this.#ended);
    });
  }

  closed(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#gone();
  }

  /** Nobody listens to a client that was refused. */
  message(): void {}
  handled(): void {}
  control(): void {}
  error(): void {}
}
