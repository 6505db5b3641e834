import type { DistHub } from "../../src/distributed/dist-hub.ts";
import type { Socket } from "../../src/client/socket.ts";
import { upgradeRequest } from "./memory-client.ts";

/** A socket that takes everything and costs nothing. */
class IdleSocket implements Socket {
  readonly bufferedAmount = 0;

  send(frames: readonly unknown[]): number {
    return frames.length;
  }

  close(): void {}

  terminate(): void {}

  ping(): void {}
}

/** Connects so many clients to a hub, without sockets; they listen on a few topics each. */
export async function connectIdle(hub: DistHub, count: number, name: string): Promise<void> {
  for (let at = 0; at < count; at++) {
    const id = `${name}-${String(at).padStart(6, "0")}`;
    const session = {
      id,
      user: `user-${at % 1_000}`,
      onConnect: (client: { subscribe(topics: string[]): Promise<void> }) =>
        client.subscribe(["news", `room:${at % 500}`]),
    };
    const admission = await hub.admit(upgradeRequest(), () => session, { remoteAddress: "10.0.0.1" });
    if (admission instanceof Response) throw new Error(`refused with ${admission.status}`);
    admission.open(new IdleSocket());
  }
}
