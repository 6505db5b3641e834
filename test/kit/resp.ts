import { connect, type Socket } from "node:net";

/** Cuts the bytes of a Redis connection into whole values. Bytes are held as latin1 text, so that nothing is lost. */
export class RespReader {
  #text = "";

  /** The values that are whole now, each as its own bytes. */
  push(chunk: Uint8Array): string[] {
    this.#text += new TextDecoder("latin1").decode(chunk);
    const values: string[] = [];
    for (let end = endOfValue(this.#text, 0); end > 0; end = endOfValue(this.#text, 0)) {
      values.push(this.#text.slice(0, end));
      this.#text = this.#text.slice(end);
    }
    return values;
  }
}

/** The words of a command. */
export function wordsOf(command: string): string[] {
  const words: string[] = [];
  for (let at = command.indexOf("\r\n") + 2; at < command.length;) {
    const start = command.indexOf("\r\n", at) + 2;
    const length = Number(command.slice(at + 1, start - 2));
    words.push(command.slice(start, start + length));
    at = start + length + 2;
  }
  return words;
}

/** Where the value that begins at `at` ends; 0 if it is not whole. */
function endOfValue(text: string, at: number): number {
  const end = text.indexOf("\r\n", at) + 2;
  if (end < 2) return 0;
  const count = Number(text.slice(at + 1, end - 2));
  if (text[at] === "$") {
    const whole = count < 0 ? end : end + count + 2;
    return whole <= text.length ? whole : 0;
  }
  if (text[at] !== "*") return end;
  let next = end;
  for (let index = 0; index < count; index++) {
    next = endOfValue(text, next);
    if (next === 0) return 0;
  }
  return next;
}

/** A connection to a Redis that answers raw commands with raw values, in order. */
export class RawRedis {
  readonly #socket: Socket;
  readonly #waiting: PromiseWithResolvers<string>[] = [];

  constructor(port: number) {
    const reader = new RespReader();
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (chunk: Uint8Array) => {
      for (const value of reader.push(chunk)) this.#waiting.shift()?.resolve(value);
    });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      for (const one of this.#waiting.splice(0)) one.reject(new Error("the connection to redis-server is closed"));
    });
  }

  send(command: string): Promise<string> {
    const answer = Promise.withResolvers<string>();
    this.#waiting.push(answer);
    this.#socket.write(command, "latin1");
    return answer.promise;
  }

  close(): void {
    this.#socket.destroy();
  }
}
