import { Events, within } from "./wait.ts";

/** How a connection ended. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** A browser's WebSocket, as promises. */
export class TestClient {
  readonly ws: WebSocket;
  readonly #messages = new Events<string | Uint8Array>("a message for the client");
  readonly #opened: Promise<void>;
  /** Settles when the connection ends, however long that takes. */
  readonly untilClosed: Promise<Closed>;

  constructor(url: string, protocols: string[] = []) {
    this.ws = protocols.length > 0 ? new WebSocket(url, protocols) : new WebSocket(url);
    this.ws.binaryType = "arraybuffer";
    this.ws.addEventListener("message", ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this.#messages.add(typeof data === "string" ? data : new Uint8Array(data));
    });
    this.untilClosed = new Promise((resolve) => {
      this.ws.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
    });
    this.#opened = new Promise((resolve, reject) => {
      this.ws.addEventListener("open", () => resolve());
      this.ws.addEventListener("error", () => reject(new Error("the connection failed")));
    });
    this.#opened.catch(() => {});
  }

  /** A client that is connected. */
  static async open(url: string, protocols?: string[]): Promise<TestClient> {
    const client = new TestClient(url, protocols);
    await client.opened();
    return client;
  }

  opened(): Promise<void> {
    return within("the open event", this.#opened);
  }

  closed(): Promise<Closed> {
    return within("the close event", this.untilClosed);
  }

  next(): Promise<string | Uint8Array> {
    return this.#messages.next();
  }

  /** What came and nobody has asked for yet. */
  get waiting(): readonly (string | Uint8Array)[] {
    return this.#messages.waiting;
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    this.ws.send(message);
  }

  /** Closes and waits until the connection is gone. */
  async close(code?: number, reason?: string): Promise<Closed> {
    this.ws.close(code, reason);
    return await this.closed();
  }
}
