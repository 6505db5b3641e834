import type { Protocol } from "../client/resume/protocol.ts";

let loaded: typeof Protocol | undefined;

/** The code of `meshsocket.v1`, which the first client that speaks it loads: a hub of plain WebSockets does without. */
export async function loadV1(): Promise<typeof Protocol> {
  return (loaded ??= (await import("../client/resume/protocol.ts")).Protocol);
}
