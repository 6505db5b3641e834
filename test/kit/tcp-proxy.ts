import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/** A TCP proxy in front of one port: it carries everything, until a test tells it not to. */
export class TcpProxy {
  /** `host:port` to dial instead of the port behind. */
  readonly host: string;
  /** Bytes carried so far, both ways. */
  bytes = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Connections that wait for the target. */
  readonly #early = new Set<Socket>();
  readonly #target = Promise.withResolvers<number>();
  #refusing = false;
  #paused = false;

  private constructor(server: Server) {
    this.#server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (near: Socket) => void this.#accept(near));
  }

  static async open(): Promise<TcpProxy> {
    // Half-open ends are passed on as they are.
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return new TcpProxy(server);
  }

  /** Says which port stands behind; connections wait until then. */
  target(port: number): void {
    this.#target.resolve(port);
  }

  /** Connections at this moment. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Cuts every connection at once, and says how many; new ones are carried. */
  cut(): number {
    for (const near of this.#early) near.destroy();
    this.#early.clear();
    const pairs = [...this.#pairs];
    for (const { near, far } of pairs) {
      near.destroy();
      far.destroy();
    }
    return pairs.length;
  }

  /** Whether new connections are cut as soon as they are made. */
  refuse(on: boolean): void {
    this.#refusing = on;
  }

  /** Carries nothing more, and keeps every connection open. */
  pause(): void {
    this.#paused = true;
    for (const { near, far } of this.#pairs) {
      near.pause();
      far.pause();
    }
  }

  resume(): void {
    this.#paused = false;
    for (const { near, far } of this.#pairs) {
      near.resume();
      far.resume();
    }
  }

  async close(): Promise<void> {
    this.#refusing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  async #accept(near: Socket): Promise<void> {
    near.on("error", () => {});
    if (this.#refusing) {
      near.destroy();
      return;
    }
    near.pause();
    this.#early.add(near);
    const port = await this.#target.promise;
    if (!this.#early.delete(near)) return;
    const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    near.setNoDelay(true);
    far.setNoDelay(true);
    const pair: Pair = { near, far };
    this.#pairs.add(pair);
    this.#carry(near, far);
    this.#carry(far, near);
    for (const socket of [near, far]) socket.once("close", () => this.#drop(pair));
    far.once("connect", () => {
      if (!this.#paused) near.resume();
    });
    if (this.#paused) far.pause();
  }

  #carry(from: Socket, to: Socket): void {
    from.on("error", () => {});
    from.on("data", (chunk: Uint8Array) => {
      this.bytes += chunk.byteLength;
      if (to.write(chunk)) return;
      from.pause();
      to.once("drain", () => {
        if (!this.#paused) from.resume();
      });
    });
    from.on("end", () => to.end());
  }

  #drop(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.near.destroy();
    pair.far.destroy();
  }
}
