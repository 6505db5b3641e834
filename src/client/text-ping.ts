import { checkObject, utf8Bytes } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import { Frame } from "../send/frame.ts";
import { pingLine, V1_PROTOCOL } from "../wire/v1.ts";
import type { Socket } from "./socket.ts";

/**
 * How a client is asked for a sign of life where its engine cannot ping: it is sent the text `ping`, and answers with any
 * message. The text `pong` is an answer and nothing else, so that `onEvent` does not see it.
 */
export interface TextPing {
  readonly ping: string;
  readonly pong: string;
}

/** As much as a ping of the protocol may carry (RFC 6455 section 5.5). */
const MAX_BYTES = 125;

/** A client of meshsocket.v1 answers with `~pong 0` and a time, which is a sign of life as any message. */
const V1_PING = { ping: pingLine(0), pong: undefined };

/** Throws a TypeError (`invalid_argument`) unless it is two short texts that can be told apart. */
export function checkTextPing(textPing: TextPing | undefined): void {
  if (textPing === undefined) return;
  checkObject("textPing", textPing);
  const { ping, pong } = textPing;
  for (const text of [ping, pong] as unknown[]) {
    if (typeof text === "string" && text !== "" && utf8Bytes(text) <= MAX_BYTES) continue;
    throw invalidArgument(`textPing is { ping, pong }, two texts of 1 to ${MAX_BYTES} bytes`);
  }
  // A client that echoes would answer its own answer forever.
  if (ping === pong) throw invalidArgument("textPing's ping and pong are two different texts");
}

/** The part of a socket that a heartbeat uses. */
export type Pingable = Pick<Socket, "ping" | "bufferedAmount">;

/** A client that can be pinged by text, where its engine cannot ping. */
export class TextPinged implements Pingable {
  /** The text that is an answer, on every engine; undefined if any control line is one. */
  readonly pong: string | undefined;
  readonly #ping: string;
  readonly #socket: Socket;

  private constructor(socket: Socket, { ping, pong }: { readonly ping: string; readonly pong: string | undefined }) {
    this.#socket = socket;
    this.#ping = ping;
    this.pong = pong;
  }

  /** Undefined for a client that never said that it would answer. */
  static of(socket: Socket, protocol: string, textPing: TextPing | undefined): TextPinged | undefined {
    const texts = textPing ?? (protocol === V1_PROTOCOL ? V1_PING : undefined);
    return texts && new TextPinged(socket, texts);
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  ping(): void {
    // As a ping of the protocol it goes out even if the buffer is full.
    if (this.#socket.ping) this.#socket.ping();
    else this.#socket.send([Frame.of(this.#ping)]);
  }
}
