import type { ServerResponse } from "node:http";
import { type Duplex, Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

const LINGER_MS = 2_000;

/** Sends a web Response as a `node:http` one, its body streamed. Settles when it is sent or the peer is gone. */
export async function respond(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.statusCode = response.status;
  if (response.statusText) outgoing.statusMessage = response.statusText;
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  if (response.body) outgoing.flushHeaders();
  await sendBody(response, outgoing);
}

/** Answers an upgrade request with a Response instead of the 101, and ends the connection. */
export async function respondToUpgrade(response: Response, stream: Duplex): Promise<void> {
  stream.resume();
  const { STATUS_CODES } = process.getBuiltinModule("node:http");
  const reason = response.statusText || STATUS_CODES[response.status] || "";
  const lines = [`HTTP/1.1 ${response.status} ${reason}`];
  for (const [name, value] of response.headers) {
    // The end of the connection ends the body.
    if (name !== "connection" && name !== "transfer-encoding") lines.push(`${name}: ${value}`);
  }
  lines.push(response.headers.has("upgrade") ? "connection: close, Upgrade" : "connection: close");
  stream.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  await sendBody(response, stream);
  if (stream.destroyed) return;
  // A peer that never closes its side must not keep the socket.
  const timer = setTimeout(() => stream.destroy(), LINGER_MS);
  stream.once("close", () => clearTimeout(timer));
}

async function sendBody(response: Response, to: Writable): Promise<void> {
  if (!response.body) {
    to.end();
    return;
  }
  try {
    await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), to);
  } catch {
    // The peer is gone, or the body failed after the head was sent: cutting the connection is all that is left.
    to.destroy();
  }
}
