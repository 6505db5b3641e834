import { checkMs, checkPlain, kindOf } from "./check/check.ts";
import { invalidArgument } from "./error.ts";
import { unknownOption } from "./check/unknown-option.ts";

/**
 * Every limit of a hub, with its default. A limit has one outcome, named with it; none loses a message silently.
 */
export interface Limits {
  /** Bytes of one message, in either direction. A longer one from a client: close 1009. A longer one to send: rejects `resource_exhausted`. */
  maxMessageBytes: number;
  /** Bytes held for a client that reads too slowly. Over it: the send is dropped and counted, and the client closed with 4008, unless `slowConsumer` is `"drop"`: then its control lines are sent up to twice of it. */
  maxBufferedBytes: number;
  /** Bytes that a client has not read, or, if it speaks `meshsocket.v1`, not acknowledged. Over it: of a topic with `slowConsumer: "latest"` it gets only the newest message, once it has read. */
  maxLagBytes: number;
  /** Messages of one client that wait for its handler. At it reading pauses, or, where the engine cannot pause, the client is closed with 1008. */
  maxBacklogMessages: number;
  /** Bytes of those messages; the outcome is the same. */
  maxBacklogBytes: number;
  /** UTF-8 bytes of an id, or of a user. A longer one: the upgrade is refused with 400, a call rejects `invalid_argument`. */
  maxIdBytes: number;
  /** UTF-8 bytes of a topic's name. A longer one rejects `invalid_argument`. */
  maxTopicBytes: number;
  /** Topics that one client listens on. One more rejects `resource_exhausted`. */
  maxTopicsPerClient: number;
  /** Clients of one user on this node, with those that are away. One more: the upgrade is refused with 429, or after a first message closed with 1013. Default: any. */
  maxClientsPerUser: number;
  /** Requests that one client may have to reply to at once, and messages that it may have to confirm. One more of either rejects `resource_exhausted`. */
  maxRequestsPerClient: number;
  /** Bytes of unacknowledged messages that are kept for all clients of `meshsocket.v1`; a message to several counts for each. Over it: the client that is sent to cannot resume before it acknowledges; one that is away is lost. */
  maxResumeBytes: number;
  /** Milliseconds that a member whose id was taken over has to come back on its new connection before it is said to have left. */
  takeoverGraceMs: number;
  /** Bytes of a session's `info` as JSON. More: the upgrade is refused with 500, and `client.setInfo` throws `invalid_argument`. */
  maxInfoBytes: number;
  /** Connections of this node. One more: the upgrade is refused with 503. */
  maxConnections: number;
  /** Connections of one client address (of IPv6: one /64). One more: the upgrade is refused with 429. Default: any. Set `trustProxy` before this one behind a proxy. */
  maxConnectionsPerAddress: number;
  /** Upgrades per second of one client address, on the long run. Over it: refused with 429. Default: any. */
  connectsPerSecond: number;
  /** Upgrades of one client address that may come at once. */
  connectBurst: number;
  /** Messages per second of one client, on the long run. Over it: close 1008. */
  messagesPerSecond: number;
  /** Messages of one client that may come at once. */
  messageBurst: number;
  /** Pings and pongs per second of one client, on the long run. Over it: close 1008, where the engine shows them. */
  controlsPerSecond: number;
  /** Pings and pongs of one client that may come at once. */
  controlBurst: number;
  /** Fragments of messages per second of one client, on the long run. Over it: close 1008, if the engine shows them (Node and Deno). */
  fragmentsPerSecond: number;
  /** Fragments of one client that may come at once. */
  fragmentBurst: number;
  /** Bytes per second that messages of one client may have beyond the bytes that they came in, compressed, on the long run. Over it: close 1008. Only with the option `compress`. */
  inflatedBytesPerSecond: number;
  /** Those bytes of one client that may come at once; at least `maxMessageBytes`. */
  inflatedBytesBurst: number;
  /** Milliseconds without a sign of life after which a client is pinged, less 15 to 30 % so that not all are at once. Infinity: never. */
  pingMs: number;
  /** Milliseconds that a client may take to answer a ping. Over it: it is taken for dead and cut, and `onDisconnect` gets 1006. */
  pongMs: number;
  /** Milliseconds without a message from the client. Over it: close 4408. Default Infinity: it may be silent forever. */
  idleTimeoutMs: number;
  /** Milliseconds that one connection may last. Over it: close 4010; the client should come back. Default Infinity. */
  lifetimeMs: number;
  /** Ids whose node is remembered. Over it the ones looked up longest ago are forgotten and looked up again. */
  maxRoutes: number;
  /** Bytes queued for one other node. Over it: sends to it reject `resource_exhausted`. */
  maxLinkBytes: number;
  /** Calls queued for one other node. Over it: sends to it reject `resource_exhausted`. */
  maxLinkCalls: number;
  /** Milliseconds of quiet after which a node asks another whether it lives. */
  linkPingMs: number;
  /** Milliseconds without an answer after which the line to a node is taken for dead and opened again. */
  linkSilenceMs: number;
  /** Callers whose last answers are kept, so that a batch sent twice is not delivered twice. Over it the ones unused for longest are forgotten, and their repeats reject `unknown`. */
  maxInboxLines: number;
  /** Records of what happened lately on a node of a cluster, for `npx meshsocket why`. Over it the oldest is forgotten. */
  maxRecords: number;
  /** Taps at a time on this node. One more: rejects `resource_exhausted`. */
  maxTaps: number;
  /** Milliseconds that a tap may last. Over it: it ends, and says so. */
  tapMs: number;
  /** Bytes of messages that wait to be written to the history of their topics. Over it: a publish rejects `resource_exhausted`. */
  maxHistoryBytes: number;
  /** Bytes of earlier messages on their way to clients that catch up. At it the others wait for their turn. */
  maxReplayBytes: number;
  /** Milliseconds that a call across nodes may take. Over it: rejects `deadline_exceeded`. */
  timeoutMs: number;
  /** Milliseconds that one storage command may take. Over it: rejects `unavailable`. */
  storageTimeoutMs: number;
  /** Milliseconds that `session(request)` may take. Over it: the upgrade is refused with 503. */
  upgradeTimeoutMs: number;
  /** Milliseconds in which the first message must have authenticated a client whose session asks for that. Over it: close 3008. */
  authTimeoutMs: number;
  /** Milliseconds that a peer may take to answer a close. Over it: the connection is cut. */
  closeTimeoutMs: number;
}

/** The defaults of {@link Limits}. */
export const DEFAULT_LIMITS: Readonly<Limits> = {
  maxMessageBytes: 1_048_576,
  maxBufferedBytes: 4_194_304,
  maxLagBytes: 131_072,
  maxBacklogMessages: 1_024,
  maxBacklogBytes: 4_194_304,
  maxIdBytes: 512,
  maxTopicBytes: 512,
  maxTopicsPerClient: 1_024,
  maxClientsPerUser: Infinity,
  maxRequestsPerClient: 1_024,
  maxResumeBytes: 268_435_456,
  takeoverGraceMs: 2_000,
  maxInfoBytes: 1_024,
  maxConnections: 1_000_000,
  maxConnectionsPerAddress: Infinity,
  connectsPerSecond: Infinity,
  connectBurst: 100,
  messagesPerSecond: 10_000,
  messageBurst: 20_000,
  controlsPerSecond: 10,
  controlBurst: 100,
  fragmentsPerSecond: 100_000,
  fragmentBurst: 200_000,
  inflatedBytesPerSecond: 16_777_216,
  inflatedBytesBurst: 16_777_216,
  pingMs: 25_000,
  pongMs: 10_000,
  idleTimeoutMs: Infinity,
  lifetimeMs: Infinity,
  maxRoutes: 100_000,
  maxLinkBytes: 67_108_864,
  maxLinkCalls: 65_536,
  linkPingMs: 5_000,
  linkSilenceMs: 2_000,
  maxInboxLines: 4_096,
  maxRecords: 4_096,
  maxTaps: 16,
  tapMs: 3_600_000,
  maxHistoryBytes: 67_108_864,
  maxReplayBytes: 67_108_864,
  timeoutMs: 2_000,
  storageTimeoutMs: 1_000,
  upgradeTimeoutMs: 10_000,
  authTimeoutMs: 10_000,
  closeTimeoutMs: 5_000,
};

/** Times that may be Infinity: what they wait for then never happens. */
const MAY_BE_NEVER: ReadonlySet<string> = new Set(["pingMs", "idleTimeoutMs", "lifetimeMs"]);

/** The defaults with overrides. Throws a TypeError (`invalid_argument`) for an unknown limit or one that is not a number over 0. */
export function mergeLimits(overrides: Partial<Limits> = {}): Readonly<Limits> {
  checkPlain("limits", overrides);
  for (const [name, value] of Object.entries(overrides)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw invalidArgument(unknownOption(`limits.${name}`, name, Object.keys(DEFAULT_LIMITS)));
    }
    if (!(typeof value === "number" && value > 0)) {
      throw invalidArgument(`limits.${name} must be a number over 0, not ${kindOf(value)}`);
    }
    if (name.endsWith("Ms") && !(MAY_BE_NEVER.has(name) && value === Infinity)) checkMs(`limits.${name}`, value, 1);
  }
  return Object.freeze({ ...DEFAULT_LIMITS, ...overrides });
}

/** Room that an RPC has beyond one message: ids, topics, the other items of a batch. */
const RPC_SLACK_BYTES = 1_048_576;

/** How large the messages of an RPC may be: one message of a client, and room for what goes with it. */
export function rpcBytes({ maxMessageBytes }: Readonly<Limits>): { readMaxBytes: number; writeMaxBytes: number } {
  const maxBytes = maxMessageBytes + RPC_SLACK_BYTES;
  return { readMaxBytes: maxBytes, writeMaxBytes: maxBytes };
}
