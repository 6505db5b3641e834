import assert from "node:assert/strict";
import type { MeshWebSocket } from "../../client/index.ts";
import { Events } from "./wait.ts";

/** A client and what it heard. */
export interface Heard {
  readonly ws: MeshWebSocket;
  readonly log: Events<string>;
}

/** A client that writes down its events. */
export function listen(ws: MeshWebSocket): Heard {
  const log = new Events<string>("an event of the client");
  ws.binaryType = "arraybuffer";
  for (const type of ["open", "resumed", "error"] as const) ws.addEventListener(type, () => log.add(type));
  ws.addEventListener("away", () => log.add("away"));
  ws.addEventListener("lost", ({ why, pending }) => log.add(`lost ${why} ${pending.join()}`));
  ws.addEventListener("refused", ({ code }) => log.add(`refused ${code}`));
  ws.addEventListener("close", ({ code }) => log.add(`close ${code}`));
  ws.addEventListener("message", ({ data }) => {
    log.add(typeof data === "string" ? data : String(new Uint8Array(data as ArrayBuffer)));
  });
  return { ws, log };
}

/** Takes the entries from the log, which must be the next ones. */
export async function took(log: Events<string>, ...entries: string[]): Promise<void> {
  for (const entry of entries) assert.equal(await log.next(), entry);
}
