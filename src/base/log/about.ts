/** A line of the log in one word, such as `node_joined`. The page `docs/observability.md` says when each is written. */
export type LogEvent =
  | "serving"
  | "ready"
  | "degraded"
  | "draining"
  | "closed"
  | "node_joined"
  | "node_left"
  | "page_refused"
  | "admission_failed"
  | "client_refused"
  | "handler_failed"
  | "client_failed"
  | "call_failed"
  | "listener_failed"
  | "cleanup_failed"
  | "fetch_failed"
  | "rpc_failed"
  | "lease_not_renewed"
  | "claims_lost"
  | "claims_not_restored"
  | "cluster_wrong"
  | "leases_differ"
  | "topics_differ"
  | "eviction_failed"
  | "subscription_untold"
  | "topic_not_withdrawn"
  | "dead_node_not_cleared"
  | "reply_failed"
  | "accept_failed"
  | "port_reopened"
  | "weak_secret"
  | "not_compressed"
  | "history_failed"
  | "chat_failed"
  | "code_missing"
  | "lines_left_out";

/** The fields of a line, for loggers that take them. None holds a message, token, header or query. */
export interface LogFields {
  /** The id of the client that it is about. */
  readonly client?: string;
  /** The address of the other node that it is about. */
  readonly node?: string;
  readonly code?: string | number;
  readonly reason?: string;
  readonly handler?: string;
  readonly path?: string;
  readonly port?: number;
  readonly origin?: string;
  readonly lines?: number;
  readonly durationMs?: number;
}

/** The event and the fields of a line: the last argument of a call of a logger of ours. */
export class About {
  readonly event: LogEvent;
  readonly fields: LogFields;

  constructor(event: LogEvent, fields: LogFields) {
    this.event = event;
    this.fields = fields;
  }
}

/** The event and the fields of a line. */
export function about(event: LogEvent, fields: LogFields = {}): About {
  return new About(event, fields);
}
