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
 * ```
 *
 * Against a server of meshsocket it loses nothing when a connection drops, or says so (`lost`). Against any other server it
 * is a WebSocket that `connect` opens again.
 *
 * @module
 */
export { type CallOptions, connect, type EventListenerFor, MeshWebSocket } from "./mesh-web-socket.ts";
export type { RequestHandler, Sendable } from "./calls.ts";
export type { MeshWebSocketEvents, Pending } from "./events.ts";
export type { Address, ConnectOptions, TokenSource, WebSocketClass } from "./options.ts";
export { MeshError, type MeshErrorCode } from "../src/base/error.ts";
export { shouldReconnect } from "../src/base/close-code.ts";
