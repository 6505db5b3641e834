import type { Session, SessionFactory } from "../client/session.ts";
import { MemoryWebSocket } from "../door/memory-pair.ts";
import { openWebSocket } from "../door/whatwg-socket.ts";
import type { Hub } from "../hub/hub.ts";
import { Events, within } from "./events.ts";

/**
 * A client of a hub without a port between them.
 *
 * ```ts
 * import { Hub } from "meshsocket";
 * import { MemoryClient } from "meshsocket/testing";
 *
 * const hub = new Hub();
 * const alice = await MemoryClient.connect(hub, session, { url: "http://localhost/ws?name=alice" });
 * alice.send("hello");
 * await alice.next(); // the answer of your onEvent
 * await alice.close(); // { code: 1000, reason: "" }
 * ```
 */
export class MemoryClient {
  /** The client's end of the connection, shaped like a browser's WebSocket. Its `terminate` and `stall` are faults. */
  readonly socket: MemoryWebSocket;
  /** Settles when the connection ends, however long that takes. */
  readonly untilClosed: Promise<Closed>;
  readonly #messages = new Events<string | Uint8Array>("a message for the client");

  private constructor(socket: MemoryWebSocket) {
    this.socket = socket;
    socket.addEventListener("message", (event) => {
      const { data } = event as MessageEvent<string | ArrayBuffer>;
      // The first frame of meshsocket.v1 is not a message.
      if (typeof data === "string" && data.startsWith("~hello ")) return;
      this.#messages.add(typeof data === "string" ? data : new Uint8Array(data));
    });
    this.untilClosed = new Promise((resolve) => {
      socket.addEventListener("close", (event) => {
        const { code, reason } = event as CloseEvent;
        resolve({ code, reason });
      });
    });
  }

  /** Connects as an upgrade request would, through your session factory. Rejects if the hub refuses; does not wait for `onConnect`. */
  static async connect<Data>(
    hub: Hub<Data>,
    session: SessionFactory<Data>,
    options: MemoryClientOptions = {},
  ): Promise<MemoryClient> {
    const { url = "http://localhost/", headers, remoteAddress = "" } = options;
    const admission = await hub.admit(upgradeRequest(url, options.protocol, headers), session, { remoteAddress });
    if (admission instanceof Response) throw new Error(`refused with ${admission.status}`);
    const [server, browser] = MemoryWebSocket.pair();
    const client = new MemoryClient(browser);
    openWebSocket(server, admission, hub.limits);
    return client;
  }

  /** Connects with a session made beforehand. */
  static open<Data>(hub: Hub<Data>, session: Session<Data>): Promise<MemoryClient> {
    return MemoryClient.connect(hub, () => session, { protocol: session.protocol });
  }

  send(message: string | Uint8Array): void {
    this.socket.send(message);
  }

  /** The next message; rejects after 8 seconds without one. */
  next(): Promise<string | Uint8Array> {
    return this.#messages.next();
  }

  /** The next `count` messages. */
  async take(count: number): Promise<(string | Uint8Array)[]> {
    const messages: (string | Uint8Array)[] = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** The messages that arrived and were not taken yet. */
  get waiting(): readonly (string | Uint8Array)[] {
    return this.#messages.waiting;
  }

  /** The code and reason of the end; rejects if the connection does not end within 8 seconds. */
  closed(): Promise<Closed> {
    return within("the close event", this.untilClosed);
  }

  /** Closes, and waits until the connection has ended. */
  async close(code: number = 1000, reason?: string): Promise<Closed> {
    this.socket.close(code, reason);
    return await this.closed();
  }
}

/** The upgrade request of a {@link MemoryClient}. */
export interface MemoryClientOptions {
  /** Default `http://localhost/`. */
  url?: string | undefined;
  /** The subprotocols that are offered, separated by commas. */
  protocol?: string | undefined;
  /** More headers: cookies, a token. */
  headers?: Record<string, string> | undefined;
  /** The address that the session is told. Default "". */
  remoteAddress?: string | undefined;
}

/** How a connection ended. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** An upgrade request as a browser sends it. */
export function upgradeRequest(
  url: string = "http://localhost/",
  protocol: string = "",
  headers?: Record<string, string>,
): Request {
  return new Request(url, {
    headers: {
      ...(protocol && { "sec-websocket-protocol": protocol }),
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    },
  });
}
