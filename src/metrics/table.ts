import type { Counters } from "../base/counters/counters.ts";
import type { Histogram } from "../base/counters/histogram.ts";
import type { Hub } from "../hub/hub.ts";
import { CLOSE_CODES, HANDLERS, LOST_REASONS, REFUSAL_REASONS, resultsOf, RESUMES, STATUSES } from "./labels.ts";
import { counted, countedBy, each, type MetricSample, one, spread } from "./sample.ts";

/** A metric, and how its values are read. */
export interface Definition {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly read: (source: Source) => readonly MetricSample[];
}

/** The places that metrics are read from. */
export interface Source {
  readonly hub: Hub;
  readonly counters: Counters;
  readonly loopDelay: Histogram;
}

/** The metrics of every hub. */
export const HUB_METRICS: readonly Definition[] = [
  {
    name: "meshsocket_status",
    type: "gauge",
    help: "1 for the status that the hub has, 0 for the others.",
    read: ({ hub }) => counted("status", { [hub.status]: 1 }, STATUSES),
  },
  {
    name: "meshsocket_clients",
    type: "gauge",
    help: "Clients of this node: connected, or away, which may still come back.",
    read: ({ hub, counters: { awayNow } }) => each("state", { connected: hub.size - awayNow, away: awayNow }),
  },
  {
    name: "meshsocket_topics",
    type: "gauge",
    help: "Topics with listeners on this node.",
    read: ({ hub }) => one(hub.topicCount),
  },
  {
    name: "meshsocket_connects_total",
    type: "counter",
    help: "Clients that connected.",
    read: ({ counters }) => one(counters.connects),
  },
  {
    name: "meshsocket_closes_total",
    type: "counter",
    help: "Clients that ended, by close code; codes of applications and of other libraries are added up as other.",
    read: ({ counters }) => counted("code", counters.closes, CLOSE_CODES),
  },
  {
    name: "meshsocket_refusals_total",
    type: "counter",
    help: "Connections that made no client, by reason.",
    read: ({ counters }) => counted("reason", counters.refusals, REFUSAL_REASONS),
  },
  {
    name: "meshsocket_aways_total",
    type: "counter",
    help: "Clients whose connection dropped, and that might come back.",
    read: ({ counters }) => one(counters.aways),
  },
  {
    name: "meshsocket_resumes_total",
    type: "counter",
    help: "Clients that came back to resume, by outcome: resumed, or why they could not.",
    read: ({ counters }) => counted("outcome", counters.resumes, RESUMES),
  },
  {
    name: "meshsocket_lost_clients_total",
    type: "counter",
    help: "Away clients that were given up, by reason.",
    read: ({ counters }) => counted("reason", counters.lost, LOST_REASONS),
  },
  {
    name: "meshsocket_received_messages_total",
    type: "counter",
    help: "Messages from clients, control lines of meshsocket.v1 included.",
    read: ({ counters }) => one(counters.received),
  },
  {
    name: "meshsocket_received_bytes_total",
    type: "counter",
    help: "Bytes of messages from clients; text counts one for each UTF-16 unit.",
    read: ({ counters }) => one(counters.receivedBytes),
  },
  {
    name: "meshsocket_sent_messages_total",
    type: "counter",
    help: "Messages that sockets of clients took, one for each client.",
    read: ({ counters }) => one(counters.sent),
  },
  {
    name: "meshsocket_sent_bytes_total",
    type: "counter",
    help: "Bytes of frames that sockets of clients took, before compression.",
    read: ({ counters }) => one(counters.sentBytes),
  },
  {
    name: "meshsocket_dropped_messages_total",
    type: "counter",
    help: "Messages that a client did not take, because its buffer was full or it was closing.",
    read: ({ counters }) => one(counters.dropped),
  },
  {
    name: "meshsocket_conflated_messages_total",
    type: "counter",
    help: "Messages that a newer one of their topic replaced, because a client had not read so far.",
    read: ({ counters }) => one(counters.conflated),
  },
  {
    name: "meshsocket_sends_total",
    type: "counter",
    help:
      "Calls that this node made, by verb and result: ok, missed (nobody), partial (a node was unreachable), or an error code.",
    read: ({ counters }) =>
      countedBy("verb", counters.sends, (tally) => counted("result", tally, resultsOf(tally, ["ok", "missed"]))),
  },
  {
    name: "meshsocket_fan_out_clients",
    type: "histogram",
    help: "Clients of this node that a broadcast or a publish was offered to.",
    read: ({ counters }) => [spread(counters.fanOuts)],
  },
  {
    name: "meshsocket_handler_duration_seconds",
    type: "histogram",
    help:
      "Time of onEvent and onRequest. Of calls of onEvent that return no promise one in 16 is measured, and counted 16 times.",
    read: ({ counters }) => [
      spread(counters.eventSeconds, { handler: "onEvent" }),
      spread(counters.requestSeconds, { handler: "onRequest" }),
    ],
  },
  {
    name: "meshsocket_handler_errors_total",
    type: "counter",
    help: "Handlers that threw or rejected.",
    read: ({ counters }) => counted("handler", counters.handlerErrors, HANDLERS),
  },
  {
    name: "meshsocket_buffer_fill_ratio",
    type: "histogram",
    help: "The filled part of the buffer of a client that was sent more before it had read everything.",
    read: ({ counters }) => [spread(counters.buffers)],
  },
  {
    name: "meshsocket_event_loop_delay_seconds",
    type: "histogram",
    help: "How late timers come, measured ten times a second since the first reading.",
    read: ({ loopDelay }) => [spread(loopDelay)],
  },
];
