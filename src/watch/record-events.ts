import type { Recorder } from "../base/watch/recorder.ts";
import type { RefusedEvent } from "../door/refusal.ts";
import type { HubEventTarget } from "../hub/hub-events.ts";

/** Writes the events of a hub to its recorder. */
export function recordEvents(events: HubEventTarget, recorder: Recorder): void {
  events.on("connect", ({ client: { id, remoteAddress, protocol } }) => {
    const speaks = protocol === "" ? "" : ` with ${protocol}`;
    recorder.record("connected", { id }, `connected from ${remoteAddress || "an unknown address"}${speaks}`);
  });
  events.on("disconnect", ({ client: { id }, code, reason }) => recorder.record("closed", { id }, reason, code));
  events.on("away", ({ client: { id } }) => recorder.record("away", { id }, "its connection dropped"));
  events.on("resumed", ({ client: { id } }) => recorder.record("resumed", { id }, "it came back: nothing is missing"));
  events.on("lost", ({ client: { id }, reason, undelivered }) => {
    recorder.record("lost", { id }, `given up while away (${reason}), with ${undelivered.length} messages`);
  });
  events.on(
    "refused",
    (event) => recorder.record("refused", { id: event.id }, textOf(event), event.status ?? event.code),
  );
  events.on("nodejoin", ({ node }) => recorder.record("node", {}, `node ${node.host} joined`));
  events.on("nodeleave", ({ node }) => recorder.record("node", {}, `node ${node.host} left or died`));
  events.on(
    "degraded",
    () => recorder.record("node", {}, "degraded: the storage does not answer, or the address is shared"),
  );
  events.on("ready", () => recorder.record("node", {}, "ready"));
  events.on("draining", () => recorder.record("node", {}, "draining"));
}

/** The reason first, as programs read it. The path has no query, which may hold a token. */
function textOf({ reason, origin, address, host, url }: RefusedEvent): string {
  const page = origin === undefined ? "" : `, page of ${origin}`;
  return `${reason}: from ${address || "an unknown address"}${page}, for ${host}${url}`;
}
