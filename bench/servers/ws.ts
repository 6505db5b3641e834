/** Native control: a bare loop over `ws`, on any of the runtimes. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { ready } from "./control.ts";

const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
server.on("connection", (ws) => {
  ws.on("message", (data: Uint8Array) => {
    const text = data.toString();
    if (text.startsWith("e")) ws.send(text);
    else for (const client of server.clients) client.send(text);
  });
});
http.listen(0, "127.0.0.1", () => ready((http.address() as AddressInfo).port));
