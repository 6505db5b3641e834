/**
 * The seams of meshsocket, for authors of adapters and storages. Applications import `meshsocket`.
 *
 * - An adapter gives the hub a {@link Socket} for each upgrade that {@link Hub.admit} let in, and tells its
 *   {@link SocketReceiver} what arrives. {@link openWebSocket} does both for anything shaped like a browser's WebSocket.
 * - An adapter for a cluster answers RPC with a {@link DistServer}, and joins with a {@link NodeTransport}.
 * - A storage implements {@link Storage}: who holds which id, and until when.
 *
 * @module
 */
import "./base/check/check-node.ts";
export type { Hub } from "./hub/hub.ts";
export type { Admission, UpgradeContext } from "./door/admission.ts";
export type { GateOptions } from "./door/gate.ts";
export { BEARER_PROTOCOL_PREFIX } from "./door/subprotocol.ts";
export { openWebSocket, type WebSocketLike } from "./door/whatwg-socket.ts";
export type { Socket, SocketReceiver } from "./client/socket.ts";
export type { Frame } from "./send/frame.ts";
export { Sender } from "./send/sender.ts";
export type { DistHub } from "./distributed/dist-hub.ts";
export { DistServer } from "./distributed/dist-server.ts";
export type { DistClientCommonOptions } from "./distributed/client-options.ts";
export type { JoinOptions } from "./cluster/join-options.ts";
export type { ByteStream, ByteStreamReceiver, DialStream } from "./link/byte-stream.ts";
export type { NodeTransport } from "./link/node-transport.ts";
export type { Fetch } from "./rpc/fetch.ts";
export type { RpcRouter, RpcServerOptions } from "./rpc/server-options.ts";
export type {
  Appended,
  AppendResult,
  HistoryCallOptions,
  HistoryPage,
  HistoryQuery,
  HistorySource,
  HistoryStore,
  HistoryWindow,
  KeptMessage,
  NewMessage,
  Position,
} from "./history/history.ts";
export type {
  CheckedStorage,
  Claimed,
  Entry,
  Holder,
  IdEntry,
  Renewal,
  RenewOptions,
  Storage,
  StorageCallOptions,
  StorageFinding,
} from "./storage/storage.ts";
