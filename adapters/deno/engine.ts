import type { WebSocketLike } from "../../src/door/whatwg-socket.ts";

/** What we use of the global `Deno`, so that other runtimes' type checkers need not know it. */
export interface DenoEngine {
  upgradeWebSocket(request: Request, options?: { idleTimeout?: number }): { socket: WebSocketLike; response: Response };
}

/** What Deno gives `fetch` as its second argument. */
export interface DenoServeInfo {
  readonly remoteAddr: { readonly hostname?: string } | { readonly path: string } | object;
}
