import { refuse } from "./admission.ts";
import { CloseCode } from "../base/close-code.ts";
import { errorCode } from "../base/error.ts";

/**
 * Why a connection made no client.
 *
 * | reason | refused because | before the 101 | after it |
 * | --- | --- | --- | --- |
 * | `handshake` | the request is not a WebSocket handshake of version 13 | 400, 405, 426 | |
 * | `origin` | pages of its origin may not connect | 403 | |
 * | `address` | its address holds or opens too many connections | 429 | |
 * | `full` | the node holds `maxConnections` | 503 | |
 * | `closing` | the node is closing | 503 | 1012 |
 * | `session` | the application refused it | the Response's status | the code of the refusal, 4401, 1013 |
 * | `id` | its id is empty, too long or not Unicode | 400 | 4401 |
 * | `user` | its user is empty, too long or not Unicode, or has `maxClientsPerUser` clients on this node | 400, 429 | 4401, 1013 |
 * | `duplicate` | the id is connected and the oldest wins | 409 | 4409 |
 * | `storage` | the storage does not answer | 503 | 1013 |
 * | `starting` | the hub has not joined its cluster: `listen` was not called or has not settled | 503 | 1013 |
 * | `timeout` | `session` or the first message took too long, or the client gave up | 503 | 3008 |
 * | `pace` | it sent too fast before it was authenticated | | 1008 |
 * | `error` | the application failed, or returned something that is not a session | 500 | 1011 |
 */
export type RefusalReason =
  | "handshake"
  | "origin"
  | "address"
  | "full"
  | "closing"
  | "session"
  | "id"
  | "user"
  | "duplicate"
  | "storage"
  | "starting"
  | "timeout"
  | "pace"
  | "error";

/** The facts about a request that its refusal names. */
export interface Visit {
  /** The client's IP address; "" if nobody tells it. */
  readonly address: string;
  /** The origin of the page that tried to connect; undefined if it was not a page. */
  readonly origin: string | undefined;
  /** The host that it asked for. */
  readonly host: string;
  /** The path of the request, without its query. */
  readonly url: string;
}

/** A connection that made no client, for monitoring: the page itself sees at most a close code. */
export interface RefusedEvent extends Visit {
  readonly reason: RefusalReason;
  /** The id that the session named; missing if the connection was refused before. */
  readonly id?: string;
  /** The HTTP status of a refusal before the 101. */
  readonly status?: number;
  /** The close code of a refusal after it. */
  readonly code?: number;
  /** The error, for the reasons `error` and `storage`. */
  readonly error?: unknown;
}

/** A refusal before the 101. */
export class Refused {
  readonly reason: RefusalReason;
  readonly response: Response;
  readonly error: unknown;
  /** The id that the session named, if it was decided before. */
  id: string | undefined = undefined;

  constructor(reason: RefusalReason, response: Response, error?: unknown) {
    this.reason = reason;
    this.response = response;
    this.error = error;
  }
}

/** A refusal after the 101. */
export interface Ending {
  readonly reason: RefusalReason;
  readonly code: number;
  /** The text of the close frame. */
  readonly text: string;
  readonly id?: string | undefined;
  readonly error?: unknown;
}

/** The refusal of an upgrade on a node that is closing. */
export function closingRefusal(): Refused {
  return new Refused("closing", refuse(503, "this node is closing", { "retry-after": "1" }));
}

/** The refusal of an upgrade whose decision failed. */
export function refusalOf(error: unknown): Refused {
  switch (errorCode(error)) {
    case "already_exists":
      return new Refused("duplicate", refuse(409, "the id is connected already"));
    case "failed_precondition":
      return new Refused("starting", refuse(503, "this node is not ready", { "retry-after": "1" }), error);
    case "unavailable":
    case "deadline_exceeded":
      return new Refused("storage", refuse(503, "this node cannot take clients now", { "retry-after": "1" }), error);
    default:
      return new Refused("error", refuse(500, "internal error"), error);
  }
}

/** How a connection is closed whose first message was refused so. */
export function endingOf({ reason, id, response: { status }, error }: Refused): Ending {
  if (reason === "duplicate") return { reason, id, code: CloseCode.Replaced, text: "the id is connected already" };
  if (reason === "error") return { reason, id, code: CloseCode.InternalError, text: "internal error", error };
  if (MAY_COME_BACK.has(status)) return { reason, id, code: CloseCode.TryAgainLater, text: "try again later", error };
  if (status >= 500) return { reason, id, code: CloseCode.InternalError, text: "internal error" };
  return { reason, id, code: CloseCode.Unauthorized, text: "not authenticated" };
}

/** Statuses that say nothing about the client: the same message may be good a little later. */
const MAY_COME_BACK: ReadonlySet<number> = new Set([429, 502, 503, 504]);
