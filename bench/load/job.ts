/** How the messages of a run travel. Every shape counts deliveries: messages that reached a client. */
export type Shape =
  /** The first client asks for broadcasts to all. */
  | "broadcast"
  /** Every client gets its own messages back. */
  | "echo"
  /** Each even client sends to the odd one after it. */
  | "pairs"
  /** The clients of a topic, `perTopic` of them, get what its first one publishes. */
  | "topics"
  /** A third of the clients each as in "echo", "pairs" and "topics", with `outstanding` messages of every sender. */
  | "traffic"
  /** Only connections: opened as fast as they come, and held. */
  | "connect"
  /** Every client asks for the newest 200 messages of a topic, all of them at once. */
  | "recover";

/**
 * How clients speak: as plain WebSockets, by the subprotocol meshsocket.v1, by it with topics that they subscribe to themselves, or
 * as those of Socket.IO.
 */
export type Dialect = "plain" | "v1" | "tagged" | "socketio";

/** One run of the load generator. */
export interface Job {
  /** The servers' ports; clients are dealt out to them in turn. */
  ports: number[];
  /** Where they listen. Default 127.0.0.1. */
  host?: string;
  /** Their processes, whose processor time is read. */
  pids: number[];
  dialect: Dialect;
  shape: Shape;
  clients: number;
  perTopic?: number;
  /** Messages under way at once: of a broadcast that is one for all, of an echo one for each client, of pairs over all. */
  outstanding: number;
  /** Broadcasts per second, instead of `outstanding`. */
  rate?: number;
  payloadBytes: number;
  /** Over TLS, whose certificate is not checked. */
  tls?: boolean;
  /** The messages are JSON of so many bytes, and the clients offer permessage-deflate. */
  deflate?: boolean;
  warmupMs: number;
  /** Of `connect`: clients that come and go before. */
  warmupClients?: number;
  measureMs: number;
  /** Of the clients, how many never read. */
  slow?: number;
  /** Connections that may be under way at once. Default 100. */
  dialling?: number;
  /** Goes on after the result until stdin ends, and answers each line of it with the deliveries so far. */
  hold?: boolean;
}

/** The measurements of a run. */
export interface JobResult {
  /** Deliveries per second; of `connect` connections per second. */
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** The share of the asked rate that was kept; 1 without a rate. */
  kept: number;
  /** Clients that lost their connection. */
  lost: number;
  /** Bytes on the wire for each delivery, headers included. */
  bytesPerDelivery: number;
  /** The generator's own load while measuring, as a share of one core. */
  generatorBusy: number;
  /** The servers' load, together, as a share of one core; 0 if the system does not tell. */
  serverBusy: number;
  /** Deliveries for each second of the servers' processor time: steadier than {@link perSecond} on a busy machine. */
  perCpuSecond: number;
}
