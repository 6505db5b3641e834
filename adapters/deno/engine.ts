import type { WebSocketLike } from "../../src/door/whatwg-socket.ts";

/** The part of the global `Deno` that we use, so that other runtimes' type checkers need not know it. */
export interface DenoEngine {
  upgradeWebSocket(request: Request, options?: { idleTimeout?: number }): { socket: WebSocketLike; response: Response };
}

/** The second argument that Deno gives `fetch`. */
export interface DenoServeInfo {
  readonly remoteAddr: { readonly hostname?: string } | { readonly path: string } | object;
}
