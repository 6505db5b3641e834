/**
 * Distributed WebSockets for Node, Bun and Deno: reach any client by id, by topic, or all at once, from any node.
 *
 * This is the core; it imports no runtime. Take `serve` from `meshsocket/node`, `/bun` or `/deno`.
 *
 * @module
 */
export type { Admission, UpgradeContext } from "./admission.ts";
export { bearerToken, verifyBearer, type VerifyBearerOptions } from "./auth.ts";
export type { ByteStream, ByteStreamReceiver, DialStream } from "./byte-stream.ts";
export type { Client } from "./client.ts";
export { CloseCode, shouldReconnect } from "./close-code.ts";
export type { JoinOptions } from "./cluster.ts";
export {
  DistClient,
  type DistClientCommonOptions,
  type DistClientDirectOptions,
  type DistClientOptions,
  type DistClientThroughNodeOptions,
} from "./dist-client.ts";
export { DistHub, type DistHubOptions } from "./dist-hub.ts";
export { DistServer } from "./dist-server.ts";
export { DistSession } from "./dist-session.ts";
export { errorCode, MeshError, type MeshErrorCode } from "./error.ts";
export type { Fetch } from "./fetch-transport.ts";
export type { Frame, Message } from "./frame.ts";
export { Hub } from "./hub.ts";
export type { CloseOptions, HubOptions } from "./hub-options.ts";
export type { HubEvents, HubStatus } from "./hub-events.ts";
export { DEFAULT_LIMITS, type Limits } from "./limits.ts";
export type { NodeTransport } from "./links.ts";
export type { Json } from "./json.ts";
export { localAddress } from "./local-address.ts";
export type { Origins } from "./origin.ts";
export type { TrustProxy } from "./proxy.ts";
export { errorLogger, type Logger, silentLogger } from "./logger.ts";
export { type PresenceEvent, PresenceWatch, type WatchOptions } from "./presence-watch.ts";
export { REQUEST_PROTOCOL } from "./requests.ts";
export type { AccessRules, ApiKey } from "./rpc-access.ts";
export type { RpcServerOptions } from "./rpc-fetch.ts";
export { Sender } from "./sender.ts";
export type { RpcListener, RpcOptions, ServeOptions, Server, TlsOptions } from "./serve.ts";
export type { Session, SessionFactory, UpgradeInfo } from "./session.ts";
export type { Socket, SocketReceiver } from "./socket.ts";
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
export { BEARER_PROTOCOL_PREFIX } from "./subprotocol.ts";
export type { TextPing } from "./text-ping.ts";
export { createToken, type CreateTokenOptions, type Secret } from "./token.ts";
export type { Count, Delivery, Members, MembersOptions, SendOptions, SendToManyOptions } from "./verbs.ts";
