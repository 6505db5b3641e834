import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type Shape, TcpFlow } from "./tcp-flow.ts";

/** Which way bytes go: to the port behind, or back to who dialled. */
export type Direction = "there" | "back";

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  readonly flows: Readonly<Record<Direction, TcpFlow>>;
}

const BOTH: readonly Direction[] = ["there", "back"];

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
  #target = Promise.withResolvers<number>();
  #refusing = false;
  #shapes: Readonly<Record<Direction, Shape>> = { there: {}, back: {} };

  private constructor(server: Server) {
    this.#server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (near: Socket) => void this.#accept(near));
  }

  static async open(target?: number): Promise<TcpProxy> {
    // Half-open ends are passed on as they are.
    const server = createServer({ allowHalfOpen: true });
    await listen(server, 0);
    const proxy = new TcpProxy(server);
    if (target !== undefined) proxy.target(target);
    return proxy;
  }

  /** Says which port stands behind; connections wait until then. Said again, it is another one for new connections. */
  target(port: number): void {
    this.#target.resolve(port);
    this.#target = Promise.withResolvers();
    this.#target.resolve(port);
  }

  /** Nothing stands behind for now: new connections wait. */
  detach(): void {
    this.#target = Promise.withResolvers();
  }

  /** Connections at this moment. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Cuts every connection at once, and says how many; new ones are carried. */
  cut(): number {
    return this.#endAll((socket) => socket.destroy());
  }

  /** Like {@link cut}, with a RST instead of a FIN. */
  reset(): number {
    return this.#endAll((socket) => socket.resetAndDestroy());
  }

  /** Ends one direction of every connection; the other goes on. */
  halfClose(direction: Direction): void {
    for (const { flows } of this.#pairs) flows[direction].end();
  }

  /** Whether new connections are cut as soon as they are made. */
  refuse(on: boolean): void {
    this.#refusing = on;
  }

  /** Stops listening: new connections are refused by the system, as with nobody there; those that stand go on. */
  shut(): void {
    this.#server.close();
  }

  /** Listens again where it did before {@link shut}. */
  async listenAgain(): Promise<void> {
    if (this.#server.listening) return;
    await listen(this.#server, Number(this.host.split(":")[1]));
  }

  /** What happens to the bytes of a direction, or of both, from now on and also on new connections. */
  shape(shape: Shape, directions: readonly Direction[] = BOTH): void {
    for (const direction of directions) {
      this.#shapes = { ...this.#shapes, [direction]: shape };
      for (const { flows } of this.#pairs) flows[direction].shape = shape;
    }
  }

  /** As {@link shape}, both ways, but for new connections alone. */
  shapeNew(shape: Shape): void {
    this.#shapes = { there: shape, back: shape };
  }

  /** Carries nothing more, and keeps every connection open. */
  pause(): void {
    this.shape({ hold: true });
  }

  /** Carries everything as it comes, and first what waited. */
  resume(): void {
    this.shape({});
  }

  async close(): Promise<void> {
    this.#refusing = true;
    const closed = new Promise<void>((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
    this.cut();
    await closed;
  }

  #endAll(end: (socket: Socket) => void): number {
    for (const near of this.#early) end(near);
    this.#early.clear();
    const pairs = [...this.#pairs];
    for (const { near, far } of pairs) {
      end(near);
      end(far);
    }
    return pairs.length;
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
    const count = (bytes: number): void => void (this.bytes += bytes);
    const there = new TcpFlow(near, far, this.#shapes.there, count);
    const back = new TcpFlow(far, near, this.#shapes.back, count);
    const pair: Pair = { near, far, flows: { there, back } };
    this.#pairs.add(pair);
    for (const socket of [near, far]) socket.once("close", () => this.#drop(pair));
    far.once("connect", () => near.resume());
  }

  #drop(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.near.destroy();
    pair.far.destroy();
  }
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}
