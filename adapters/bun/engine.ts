/** The part of Bun's own types that we use, so that the published ones need no Bun. `test/types/bun.ts` holds them against Bun's. */

/** Bun's `ServerWebSocket`. */
export interface BunWebSocket<Data> {
  readonly data: Data;
  readonly readyState: number;
  binaryType?: "nodebuffer" | "arraybuffer" | "uint8array" | "blob";
  /** Bytes sent; -1 when queued; 0 when dropped. */
  sendText(data: string): number;
  sendBinary(data: Uint8Array<ArrayBuffer>): number;
  getBufferedAmount(): number;
  cork(callback: () => void): unknown;
  close(code?: number, reason?: string): void;
  terminate(): void;
  ping(): number;
}

/** The `websocket` of `Bun.serve`. */
export interface BunWebSocketHandler<Data> {
  maxPayloadLength: number;
  backpressureLimit: number;
  closeOnBackpressureLimit: boolean;
  idleTimeout: number;
  sendPings: boolean;
  perMessageDeflate: boolean;
  open(ws: BunWebSocket<Data>): void;
  message(ws: BunWebSocket<Data>, message: string | Uint8Array): void;
  close(ws: BunWebSocket<Data>, code: number, reason: string): void;
  ping(ws: BunWebSocket<Data>): void;
  pong(ws: BunWebSocket<Data>): void;
}

/** The server that Bun gives `fetch` as its second argument. */
export interface BunServer<Data = unknown> {
  upgrade(request: Request, options: { headers: Headers; data: Data }): boolean;
  requestIP(request: Request): { address: string } | null;
}

/** The result of `Bun.serve`. */
export interface BunListener<Data> extends BunServer<Data> {
  readonly port?: number;
  readonly hostname?: string;
  stop(closeActiveConnections?: boolean): Promise<void>;
}

/** The part of the global `Bun` that we use. */
export interface BunEngine<Data> {
  serve(options: {
    port: number;
    hostname: string;
    idleTimeout: number;
    tls?: { cert: string; key: string };
    fetch(request: Request, server: BunServer<Data>): Promise<Response | undefined>;
    websocket: BunWebSocketHandler<Data>;
  }): BunListener<Data>;
}
