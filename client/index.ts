/**
 * The client of meshsocket, for pages, workers, Node, Bun and Deno: a WebSocket that survives dropped connections.
 *
 * ```ts
 * import { connect } from "meshsocket/client";
 *
 * const ws = connect("wss://example.com/ws", { token: () => localStorage.getItem("token") ?? "" });
 * ws.onmessage = ({ data }) => console.log(data);
 * ws.onlost = () => location.reload(); // messages may be missing
 * ws.send("hello");
 * await ws.confirm("important"); // settled once the server has it
 * const answer = await ws.request("now?");
 * const room = await ws.subscribe("room:1");
 * for await (const { data } of room) console.log(data);
 * ```
 *
 * Against a server of meshsocket it loses nothing when a connection drops, or says so (`lost`). Against any other server it
 * is a WebSocket that `connect` opens again.
 *
 * @module
 */
export { connect, MeshWebSocket } from "./mesh-web-socket.ts";
export type { CallOptions, RequestHandler, Sendable } from "./calls.ts";
export type { Publication, SubscribeFrom, SubscribeOptions, Subscription } from "./subscription.ts";
export type { ReadStreamOptions } from "./stream.ts";
export type { Delivery, PublishOptions } from "./topics.ts";
export type { Place } from "../src/wire/topics.ts";
export type { EventListenerFor, MeshEventTarget, MeshWebSocketEvents, Pending } from "./events.ts";
export type { Address, ConnectOptions, PositionStore, TokenSource, WebSocketClass } from "./options.ts";
export { MeshError, type MeshErrorCode } from "../src/base/error.ts";
export { shouldReconnect } from "../src/base/close-code.ts";
