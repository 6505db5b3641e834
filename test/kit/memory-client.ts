import type { Hub } from "../../src/hub/hub.ts";
import { MemoryWebSocket } from "../../src/door/memory-pair.ts";
import type { Session } from "../../src/client/session.ts";
import { openWebSocket } from "../../src/door/whatwg-socket.ts";
import type { Closed } from "./client.ts";
import { Events, within } from "./wait.ts";

/** An upgrade request as a browser sends it. */
export function upgradeRequest(url = "http://localhost/", protocol = ""): Request {
  const headers = {
    ...(protocol && { "sec-websocket-protocol": protocol }),
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  return new Request(url, { headers });
}

/** A client of a hub without a port between them. */
export class MemoryClient {
  /** The client's end. */
  readonly socket: MemoryWebSocket;
  readonly #messages = new Events<string | Uint8Array>("a message for the client");
  /** Settles when the connection ends, however long that takes. */
  readonly untilClosed: Promise<Closed>;

  private constructor(socket: MemoryWebSocket) {
    this.socket = socket;
    socket.addEventListener("message", (event) => {
      const { data } = event as MessageEvent<string | ArrayBuffer>;
      this.#messages.add(typeof data === "string" ? data : new Uint8Array(data));
    });
    this.untilClosed = new Promise((resolve) => {
      socket.addEventListener("close", (event) => {
        const { code, reason } = event as CloseEvent;
        resolve({ code, reason });
      });
    });
  }

  /** Connects; a refusal rejects. It does not wait for `onConnect`. */
  static async open<Data>(hub: Hub<Data>, session: Session<Data>): Promise<MemoryClient> {
    const admission = await hub.admit(upgradeRequest(undefined, session.protocol), () => session, {
      remoteAddress: "",
    });
    if (admission instanceof Response) throw new Error(`refused with ${admission.status}`);
    const [server, browser] = MemoryWebSocket.pair();
    const client = new MemoryClient(browser);
    openWebSocket(server, admission, hub.limits);
    return client;
  }

  next(): Promise<string | Uint8Array> {
    return this.#messages.next();
  }

  async take(count: number): Promise<(string | Uint8Array)[]> {
    const messages: (string | Uint8Array)[] = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** What came and was not asked for. */
  get waiting(): readonly (string | Uint8Array)[] {
    return this.#messages.waiting;
  }

  closed(): Promise<Closed> {
    return within("the close event", this.untilClosed);
  }
}
