import { Buffer } from "node:buffer";

/** The first bytes of every HTTP/2 connection (RFC 9113 section 3.4). */
export const HTTP2_PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

const FRAME_HEADER_BYTES = 9;
const GOAWAY = 7;

/**
 * Takes the GOAWAY frames out of what a client sends, and nothing else.
 *
 * Deno's node:http2 (2.9.4 to 2.9.6) aborts the process when a client says GOAWAY after some seventy streams
 * (denoland/deno#36788). A server loses nothing by not hearing it: the client closes the connection anyway.
 */
export class GoawayFilter {
  /** Bytes of the current frame that are still to come, and whether they are kept. */
  #left = HTTP2_PREFACE.length;
  #keep = true;
  /** The start of a frame header whose rest is in the next chunk. */
  #header: Buffer = Buffer.alloc(0);

  /** The rest of the next chunk, in order; possibly nothing. */
  filter(chunk: Buffer): Buffer {
    const bytes = this.#header.length > 0 ? Buffer.concat([this.#header, chunk]) : chunk;
    const kept: Buffer[] = [];
    let from = 0;
    let at = 0;
    for (;;) {
      const taken = Math.min(this.#left, bytes.length - at);
      this.#left -= taken;
      at += taken;
      if (!this.#keep) from = at;
      if (this.#left > 0 || bytes.length - at < FRAME_HEADER_BYTES) break;
      this.#keep = bytes[at + 3] !== GOAWAY;
      this.#left = FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
      // The part that was kept so far ends where a dropped frame starts.
      if (!this.#keep) kept.push(bytes.subarray(from, at));
    }
    if (at > from) kept.push(bytes.subarray(from, at));
    this.#header = bytes.subarray(at);
    return kept.length === 1 ? kept[0] ?? bytes : Buffer.concat(kept);
  }
}
