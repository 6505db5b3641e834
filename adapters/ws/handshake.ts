import type * as Crypto from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Admission, refuse } from "../../src/door/admission.ts";
import { extraHeaders } from "../shared/extra-headers.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Loaded with the first handshake: a start does not need it. */
let crypto: typeof Crypto | undefined;

/**
 * Refuses an upgrade request whose head HTTP/1.1 does not allow, of which a web Request tells nothing: another version
 * (RFC 9110 section 7.8), or not exactly one Host (RFC 9112 section 3.2). Undefined for a good one.
 */
export function checkRequestHead({ httpVersion, rawHeaders }: IncomingMessage): Response | undefined {
  if (httpVersion !== "1.1") return refuse(400, "a WebSocket handshake is a request of HTTP/1.1");
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  return hosts === 1 ? undefined : refuse(400, "a request has exactly one Host header");
}

/** The head of the 101 that answers a handshake with this key, and agrees to the extensions. */
export function switchingProtocols(key: string, admission: Admission, extensions: string | undefined): string {
  crypto ??= process.getBuiltinModule("node:crypto");
  const accept = crypto.hash("sha1", key.trim() + GUID, "base64");
  let head =
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`;
  if (admission.protocol !== "") head += `Sec-WebSocket-Protocol: ${admission.protocol}\r\n`;
  if (extensions !== undefined) head += `Sec-WebSocket-Extensions: ${extensions}\r\n`;
  for (const [name, value] of extraHeaders(admission)) head += `${name}: ${value}\r\n`;
  return `${head}\r\n`;
}
