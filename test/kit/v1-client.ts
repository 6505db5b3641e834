import type { Hub } from "../../src/hub/hub.ts";
import { MemoryWebSocket } from "../../src/door/memory-pair.ts";
import { openWebSocket } from "../../src/door/whatwg-socket.ts";
import type { Session } from "../../src/client/session.ts";
import { type Greeting, V1_PROTOCOL } from "../../src/wire/v1.ts";
import { upgradeRequest } from "./memory-client.ts";
import { Events, within } from "./wait.ts";

/** A client of meshsocket.v1 by hand, one connection at a time: it sees and sends every line itself. */
export class V1Client {
  readonly socket: MemoryWebSocket;
  readonly hello: Greeting;
  readonly #messages: Events<string | Uint8Array>;
  readonly #closed: Promise<number>;

  private constructor(
    socket: MemoryWebSocket,
    messages: Events<string | Uint8Array>,
    hello: Greeting,
    closed: Promise<number>,
  ) {
    this.socket = socket;
    this.#messages = messages;
    this.hello = hello;
    this.#closed = closed;
  }

  /** Connects, with `resume` to come back, and waits for the hello. */
  static async open<Data>(hub: Hub<Data>, session: Session<Data>, resume?: string): Promise<V1Client> {
    const offers = resume === undefined ? V1_PROTOCOL : `${V1_PROTOCOL}, meshsocket.resume.${resume}`;
    const admission = await hub.admit(upgradeRequest(undefined, offers), () => session, { remoteAddress: "" });
    if (admission instanceof Response) throw new Error(`refused with ${admission.status}`);
    const [server, browser] = MemoryWebSocket.pair();
    const messages = new Events<string | Uint8Array>("a message for the client");
    browser.addEventListener("message", (event) => {
      const { data } = event as MessageEvent<string | ArrayBuffer>;
      messages.add(typeof data === "string" ? data : new Uint8Array(data));
    });
    let greeted = false;
    const closed = new Promise<number>((resolve) => {
      browser.addEventListener("close", (event) => {
        const { code } = event as CloseEvent;
        if (!greeted) messages.add(`a close with ${code}`);
        resolve(code);
      });
    });
    openWebSocket(server, admission, hub.limits);
    const line = String(await messages.next());
    greeted = true;
    if (!line.startsWith("~hello ")) throw new Error(`the first frame is ${line}`);
    return new V1Client(browser, messages, JSON.parse(line.slice(7)) as Greeting, closed);
  }

  send(message: string | Uint8Array): void {
    this.socket.send(message);
  }

  next(): Promise<string | Uint8Array> {
    return this.#messages.next();
  }

  async take(count: number): Promise<(string | Uint8Array)[]> {
    const messages: (string | Uint8Array)[] = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** Messages that came and were not asked for. */
  get waiting(): readonly (string | Uint8Array)[] {
    return this.#messages.waiting;
  }

  closed(): Promise<number> {
    return within("the close event", this.#closed);
  }
}
