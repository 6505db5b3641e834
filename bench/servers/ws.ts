/** Native control: a bare loop over `ws`, on any of the runtimes. */
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { ready, setup } from "./control.ts";

const { compress, tls } = setup();
const http = tls ? createTlsServer(tls) : createServer();
// As in meshsocket no message refers to an earlier one: with a context for each client `ws` takes 300 kB more for each.
const perMessageDeflate = compress === true && { serverNoContextTakeover: true, clientNoContextTakeover: true };
const server = new WebSocketServer({ server: http, perMessageDeflate });
server.on("connection", (ws) => {
  ws.on("message", (data: Uint8Array) => {
    const text = data.toString();
    if (text.startsWith("e")) ws.send(text);
    else for (const client of server.clients) client.send(text);
  });
});
http.listen(0, "127.0.0.1", () => ready((http.address() as AddressInfo).port));
