/**
 * Distributed WebSockets for Node, Bun and Deno: reach any client by id, by topic, or all at once, from any node.
 *
 * This entry is for applications and imports no runtime. Take `serve` from `meshsocket/node`, `/bun` or `/deno`.
 * Authors of adapters and storages import `meshsocket/adapter` as well.
 *
 * @module
 */
// Hubs, and clients of a cluster
import "./base/check/check-node.ts";
export { Hub } from "./hub/hub.ts";
export type { User } from "./send/user.ts";
export { DistHub } from "./distributed/dist-hub.ts";
export type { DistHubOptions } from "./distributed/dist-hub-options.ts";
export { DistClient } from "./distributed/dist-client.ts";
export type {
  DistClientDirectOptions,
  DistClientOptions,
  DistClientThroughNodeOptions,
} from "./distributed/client-options.ts";
export { DistServer } from "./distributed/late-dist-server.ts";
export { DistSession } from "./cluster/dist-session.ts";
export type { CloseOptions, HubOptions } from "./hub/hub-options.ts";
export type { HubStatus } from "./base/hub-status.ts";
export { healthHandler, type HealthOptions } from "./hub/health.ts";
export type { MetricsOptions } from "./hub/metrics-options.ts";
export type { Readiness } from "./hub/readiness.ts";
export type { HubEvents } from "./hub/hub-events.ts";
export type { RefusalReason, RefusedEvent, Visit } from "./door/refusal.ts";
export type { RpcListener, RpcOptions, ServeOptions, Server, TlsOptions } from "./hub/serve-options.ts";

// Topics that keep history
export type { HistoryOptions, TopicOptions } from "./hub/topics/topic-options.ts";
export { MemoryHistory, type MemoryHistoryOptions } from "./history/memory.ts";
export type { HistoryPage, HistoryQuery, HistoryStore, KeptMessage } from "./history/history.ts";
export type { Position } from "./send/position.ts";

// Streams
export { type ReadOptions, Stream, type StreamOptions, type StreamState } from "./hub/stream/stream.ts";

// Clients and their sessions
export type { Client } from "./client/client.ts";
export type { Refusal, Session, SessionData, SessionFactory, SessionFields, UpgradeInfo } from "./client/session.ts";
export type { TextPing } from "./client/text-ping.ts";
export type { LostReason, ResumeOptions } from "./client/resume/resume.ts";
export { V1_PROTOCOL } from "./wire/v1.ts";
export { CloseCode, shouldReconnect } from "./base/close-code.ts";

// Sending, and what becomes of it
export type { CompressOptions } from "./send/compression.ts";
export type { Message } from "./send/frame.ts";
export type {
  Count,
  Delivery,
  EmitOptions,
  From,
  HistoryReadOptions,
  ListenOptions,
  Members,
  MembersOptions,
  Recovery,
  SendOptions,
  SendToManyOptions,
  SendToTopicOptions,
} from "./send/verbs.ts";
export type { PresenceEvent, PresenceWatch, WatchOptions } from "./hub/presence-watch.ts";
export type { Json } from "./base/json.ts";
export { errorCode, MeshError, type MeshErrorCode } from "./base/error.ts";

// Authentication and access
export { bearerToken, verifyBearer, type VerifyBearerOptions } from "./door/auth.ts";
export type { Origins } from "./door/origin.ts";
export type { TrustProxy } from "./door/proxy.ts";
export type { ApiKey, Right } from "./rpc/access.ts";
export { createToken, type CreateTokenOptions, type Secret } from "./rpc/token.ts";

// Settings
export { DEFAULT_LIMITS, type Limits } from "./base/limits.ts";
export { consoleLogger, errorLogger, type Logger, silentLogger } from "./base/log/logger.ts";
export { localAddress } from "./base/local-address.ts";
export { MemoryStorage } from "./storage/memory.ts";
export type { Storage } from "./storage/storage.ts";
