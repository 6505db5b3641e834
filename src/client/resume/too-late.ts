import { Frame } from "../../send/frame.ts";
import type { HandedOver, HeldMessage } from "./handover.ts";
import { messagesOf } from "./ledger.ts";
import type { LostReason } from "./resume.ts";

/** Tells of the messages of a client that came from another node after it had ended here: nobody else has them. */
export function tooLate<Own extends EndedClient>(
  client: Own,
  { messages }: Pick<HandedOver, "messages">,
  owner: { lost(client: Own, reason: LostReason, undelivered: readonly (string | Uint8Array)[]): void },
): void {
  const undelivered = messagesOf(framesOf(messages));
  if (undelivered.length > 0) owner.lost(client, client.replaced ? "replaced" : "closed", undelivered);
}

/** Messages that waited on another node, as frames. */
export function framesOf(messages: readonly HeldMessage[]): Frame[] {
  return messages.map(({ data, binary, control }) =>
    control ? Frame.relayedControl(data, binary) : Frame.relayed(data, binary)
  );
}

/** The client of {@link tooLate}. */
interface EndedClient {
  readonly replaced: boolean;
}
