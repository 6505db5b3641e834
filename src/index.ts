/**
 * Distributed WebSockets for Node, Bun and Deno: reach any client by id, by topic, or all at once, from any node.
 *
 * This is the core; it imports no runtime. Take `serve` from `meshsocket/node`, `/bun` or `/deno`.
 *
 * @module
 */
export type { Admission, UpgradeContext } from "./door/admission.ts";
export { bearerToken, verifyBearer, type VerifyBearerOptions } from "./door/auth.ts";
export type { ByteStream, ByteStreamReceiver, DialStream } from "./link/byte-stream.ts";
export type { Client } from "./client/client.ts";
export { CloseCode, shouldReconnect } from "./base/close-code.ts";
export type { JoinOptions } from "./cluster/cluster.ts";
export {
  DistClient,
  type DistClientCommonOptions,
  type DistClientDirectOptions,
  type DistClientOptions,
  type DistClientThroughNodeOptions,
} from "./distributed/dist-client.ts";
export { DistHub, type DistHubOptions } from "./distributed/dist-hub.ts";
export { DistServer } from "./distributed/dist-server.ts";
export { DistSession } from "./cluster/dist-session.ts";
export { errorCode, MeshError, type MeshErrorCode } from "./base/error.ts";
export type { Fetch } from "./rpc/fetch-transport.ts";
export type { Frame, Message } from "./send/frame.ts";
export { Hub } from "./hub/hub.ts";
export type { GateOptions } from "./door/gate.ts";
export type { CloseOptions, HubOptions } from "./hub/hub-options.ts";
export type { HubStatus } from "./base/hub-status.ts";
export type { HubEvents } from "./hub/hub-events.ts";
export { DEFAULT_LIMITS, type Limits } from "./base/limits.ts";
export type { NodeTransport } from "./link/links.ts";
export type { Json } from "./base/json.ts";
export { localAddress } from "./base/local-address.ts";
export type { Origins } from "./door/origin.ts";
export type { TrustProxy } from "./door/proxy.ts";
export { errorLogger, type Logger, silentLogger } from "./base/logger.ts";
export { type PresenceEvent, PresenceWatch, type WatchOptions } from "./hub/presence-watch.ts";
export { REQUEST_PROTOCOL } from "./client/requests.ts";
export type { AccessRules, ApiKey } from "./rpc/access.ts";
export type { RpcServerOptions } from "./rpc/fetch-handler.ts";
export { Sender } from "./send/sender.ts";
export type { RpcListener, RpcOptions, ServeOptions, Server, TlsOptions } from "./hub/serve-options.ts";
export type { Session, SessionFactory, UpgradeInfo } from "./client/session.ts";
export type { Socket, SocketReceiver } from "./client/socket.ts";
export { MemoryStorage } from "./storage/memory.ts";
export type {
  Claimed,
  Entry,
  Holder,
  IdEntry,
  Renewal,
  RenewOptions,
  Storage,
  StorageCallOptions,
} from "./storage/storage.ts";
export { BEARER_PROTOCOL_PREFIX } from "./door/subprotocol.ts";
export type { TextPing } from "./client/text-ping.ts";
export { createToken, type CreateTokenOptions, type Secret } from "./rpc/token.ts";
export type { Count, Delivery, Members, MembersOptions, SendOptions, SendToManyOptions } from "./send/verbs.ts";
