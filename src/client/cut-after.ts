import type { Socket } from "./socket.ts";
import { unref } from "../base/tick.ts";

/** Cuts a connection whose closing handshake takes longer than `timeoutMs`. */
export function cutAfter(timeoutMs: number, socket: Pick<Socket, "terminate">, ended: () => boolean): void {
  const timer: unknown = setTimeout(() => {
    if (!ended()) socket.terminate();
  }, timeoutMs);
  unref(timer);
}
