import { listsToken } from "../base/header-list.ts";
import { refuse } from "./admission.ts";

/** Refuses a request that is not a WebSocket handshake of version 13 (RFC 6455 section 4.2.1); undefined if it is one. */
export function checkHandshake(request: Request): Response | undefined {
  const { headers, method } = request;
  if (method !== "GET") return refuse(405, "a WebSocket handshake is a GET", { allow: "GET" });
  if (!listsToken(headers.get("upgrade"), "websocket")) {
    return refuse(426, "this is a WebSocket endpoint", { upgrade: "websocket", connection: "Upgrade" });
  }
  if (!listsToken(headers.get("connection"), "upgrade")) {
    return refuse(400, "a WebSocket handshake needs the header Connection: Upgrade");
  }
  if (headers.get("sec-websocket-version")?.trim() !== "13") {
    return refuse(426, "WebSocket version 13 is spoken here", { "sec-websocket-version": "13" });
  }
  // 16 bytes in base64.
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers.get("sec-websocket-key")?.trim() ?? "")) {
    return refuse(400, "Sec-WebSocket-Key is missing or wrong");
  }
  return undefined;
}
