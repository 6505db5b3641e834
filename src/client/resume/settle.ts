import { Frame } from "../../send/frame.ts";
import type { HandedOver, HeldMessage } from "./handover.ts";
import { messagesOf } from "./ledger.ts";
import type { LostReason, ResumeOffer } from "./resume.ts";

/**
 * Has a client go on with what its node `handed` over, or with that node's refusal. Returns why it cannot, or undefined: it goes on, or has
 * ended meanwhile. Nobody else has the messages of one that ended: they are told as lost.
 */
export function settle<Own extends ArrivingClient<Line>, Line>(
  client: Own,
  connection: Line | undefined,
  offer: ResumeOffer,
  handed: HandedOver | string,
  owner: LossesOwner<Own>,
): string | undefined {
  if (typeof handed === "string") return handed;
  if (client.open) return client.arrived(connection, offer, handed) ? undefined : "overflow";
  const undelivered = messagesOf(framesOf(handed.messages));
  if (undelivered.length > 0) owner.lost(client, client.replaced ? "replaced" : "closed", undelivered);
  return undefined;
}

/** Messages that waited on another node, as frames. */
export function framesOf(messages: readonly HeldMessage[]): Frame[] {
  return messages.map(({ data, binary, control }) =>
    control ? Frame.relayedControl(data, binary) : Frame.relayed(data, binary)
  );
}

/** The client of {@link settle}, and its connection. */
export interface ArrivingClient<Line> {
  readonly open: boolean;
  readonly replaced: boolean;
  arrived(connection: Line | undefined, offer: ResumeOffer, handed: HandedOver): boolean;
}

/** Tells of messages that a client never got. */
export interface LossesOwner<Own> {
  lost(client: Own, reason: LostReason, undelivered: readonly (string | Uint8Array)[]): void;
}
