import { errorCode } from "../base/error.ts";
import type { HubStatus } from "../base/hub-status.ts";
import type { HubState } from "./state.ts";

/** Whether a hub is ready for new traffic, and if it is not, why. It becomes the JSON that `/readyz` answers with. */
export interface Readiness {
  /** True only if the status is `"ready"`. */
  readonly ready: boolean;
  /** The status of the hub; `"announced"` is the part of `"draining"` in which it still serves and takes clients. */
  readonly status: HubStatus | "announced";
  /** When that began, by this machine's clock, such as `2026-01-31T12:00:00.000Z`. */
  readonly since: string;
  /** Why the hub is not ready, in one sentence for people; missing if it is. It names hosts, and never a secret. */
  readonly reason?: string;
}

/** The readiness of a hub in a state. */
export function readinessOf(state: HubState): Readiness {
  const status = state.status === "draining" && !state.closing ? "announced" : state.status;
  const since = state.since.toISOString();
  if (status === "ready") return { ready: true, status, since };
  return { ready: false, status, since, reason: status === "degraded" ? troubleOf(state.trouble) : REASONS[status] };
}

const REASONS: Readonly<Record<Exclude<Readiness["status"], "ready" | "degraded">, string>> = {
  starting: "the hub has not joined its cluster: await serve() or listen() of an adapter",
  announced: "the hub will close soon: it still serves, and new clients belong on another node",
  draining: "the hub is closing: it takes no new clients and sends its own to other nodes",
  closed: "the hub is closed",
};

/** A longer text is cut: a storage may have written it. */
const MAX_REASON_CHARS = 1_000;

/** The text of a meshsocket error. That of any other error may hold a password or a value, and stays in the log. */
function troubleOf(error: unknown): string {
  if (errorCode(error) === undefined) return "the storage does not answer: the log of this node says why";
  return (error as Error).message.slice(0, MAX_REASON_CHARS);
}
