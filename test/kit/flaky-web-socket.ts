import { MemoryWebSocket } from "../../src/door/memory-pair.ts";
import { openWebSocket } from "../../src/door/whatwg-socket.ts";
import type { WebSocketClass } from "../../client/index.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { SessionFactory } from "../../src/client/session.ts";
import { upgradeRequest } from "./memory-client.ts";

/** Decides about the next connections: how many frames each carries in a direction before everything further is lost. */
export interface Faults {
  /** Frames that reach the server, and frames that reach the client, before the connection is cut; Infinity: never. */
  next(): { readonly there: number; readonly back: number };
}

/** The class of a browser's WebSocket, whose connections lead into a hub of this process and break as `faults` says. */
export function flakyWebSocket(hubs: () => Hub, session: SessionFactory, faults: Faults): WebSocketClass {
  return class extends EventTarget {
    binaryType = "arraybuffer";
    extensions = "";
    protocol = "";
    bufferedAmount = 0;
    readonly #left = { ...faults.next() };
    #end: MemoryWebSocket | undefined;

    constructor(url: string, protocols: string[]) {
      super();
      void this.#open(url, protocols);
    }

    async #open(url: string, protocols: string[]): Promise<void> {
      const hub = hubs();
      const request = upgradeRequest(url.replace("ws", "http"), protocols.join(", "));
      const admission = await hub.admit(request, session, { remoteAddress: "" });
      if ("status" in admission) return void this.dispatchEvent(closeEvent(1006, ""));
      const [server, browser] = MemoryWebSocket.pair();
      this.#end = browser;
      this.protocol = admission.protocol;
      browser.addEventListener("message", (event) => {
        const { data } = event as MessageEvent<unknown>;
        if (--this.#left.back >= 0) this.dispatchEvent(Object.assign(new Event("message"), { data }));
        else browser.terminate();
      });
      browser.addEventListener("close", (event) => {
        const { code, reason } = event as CloseEvent;
        this.dispatchEvent(closeEvent(code, reason));
      });
      this.dispatchEvent(new Event("open"));
      openWebSocket(server, admission, hub.limits);
    }

    send(data: string | Uint8Array<ArrayBuffer>): void {
      if (--this.#left.there >= 0) this.#end?.send(data);
      else this.#end?.terminate();
    }

    close(code?: number, reason?: string): void {
      this.#end?.close(code, reason);
    }
  } as unknown as WebSocketClass;
}

function closeEvent(code: number, reason: string): Event {
  return Object.assign(new Event("close"), { code, reason });
}
