import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** A `node:http` or `node:https` server that reads requests from the connections that it is given. */
interface HttpServer {
  emit(event: string, connection: Duplex): boolean;
}

/** Headers that belong to an offered upgrade and not to its request. With its key alone it would look like a spoiled handshake. */
const OF_THE_OFFER: ReadonlySet<string> = new Set(["upgrade", "http2-settings", "sec-websocket-key"]);

/**
 * Answers a request as if it had not offered an upgrade (RFC 9110 section 7.8), its body included.
 *
 * `node:http` hands a request with an `Upgrade` header over as a raw connection, whatever it offers: `h2c` of Java and curl,
 * `TLS/1.2` of Apache's client. So the request is written again, without the offer, for the server to read it.
 *
 * Returns false if that is not possible: the part of a chunked body that the parser consumed cannot be written again.
 */
export function declineUpgrade(server: object, incoming: IncomingMessage, stream: Duplex, head: Uint8Array): boolean {
  const consumed = (incoming.read() as Buffer | null) ?? Buffer.alloc(0);
  if (consumed.length > 0 && incoming.headers["transfer-encoding"] !== undefined) return false;
  stream.unshift(Buffer.concat([Buffer.from(requestHead(incoming), "latin1"), consumed, head]));
  const secure = "encrypted" in stream && stream.encrypted === true;
  (server as HttpServer).emit(secure ? "secureConnection" : "connection", stream);
  return true;
}

function requestHead({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const value = withoutOffer(name.toLowerCase(), rawHeaders[index + 1] ?? "");
    if (value !== undefined) lines.push(`${name}: ${value}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** The header's value without its part in the offer; undefined if nothing is left. */
function withoutOffer(name: string, value: string): string | undefined {
  if (OF_THE_OFFER.has(name)) return undefined;
  if (name !== "connection") return value;
  const words = value.split(",").map((word) => word.trim()).filter((word) => !OF_THE_OFFER.has(word.toLowerCase()));
  return words.length > 0 ? words.join(", ") : undefined;
}
