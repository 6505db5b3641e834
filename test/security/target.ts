import assert from "node:assert/strict";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session, SessionFactory } from "../../src/client/session.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { loadServe } from "../kit/servers.ts";

/** A served hub to attack: it echoes, and throws when it is told to. */
export class Target implements AsyncDisposable {
  readonly hub: Hub;
  readonly #server: Server;
  readonly #count: { asked: number };

  private constructor(hub: Hub, server: Server, count: { asked: number }) {
    this.#count = count;
    this.hub = hub;
    this.#server = server;
  }

  static async start(options: HubOptions = {}, session?: SessionFactory): Promise<Target> {
    const hub = new Hub({ logger: silentLogger, ...options });
    const serve = await loadServe();
    const count = { asked: 0 };
    const server = await serve(hub, {
      port: 0,
      hostname: "127.0.0.1",
      path: "/ws",
      session: (request, info) => {
        count.asked++;
        return session ? session(request, info) : echo(request);
      },
      fetch: () => new Response("app"),
    });
    return new Target(hub, server, count);
  }

  /** How many upgrades reached the application. */
  get asked(): number {
    return this.#count.asked;
  }

  get port(): number {
    return this.#server.port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** A raw connection that has said nothing yet. */
  connect(): Promise<RawClient> {
    return RawClient.connect(this.port);
  }

  /** A raw connection that is a client of the hub. */
  async upgraded(path = "/ws"): Promise<RawClient> {
    const client = await this.connect();
    client.handshake(path);
    assert.equal((await client.head()).status, 101);
    return client;
  }

  /** The status that a handshake is answered with. */
  async statusOf(headers: Record<string, string | undefined>, path = "/ws"): Promise<number> {
    const client = await this.connect();
    client.handshake(path, headers);
    return await statusOf(client);
  }

  /** The code of the close frame that bytes after the 101 are answered with; 1006 when the connection was cut without one. */
  async closeCodeAfter(...chunks: readonly Uint8Array[]): Promise<number> {
    const client = await this.upgraded();
    for (const chunk of chunks) client.socket.write(chunk);
    return await closeCode(client);
  }

  /** Fails unless a new client gets its echo. */
  async alive(): Promise<void> {
    const client = await TestClient.open(this.url);
    client.send("alive?");
    assert.equal(await client.next(), "alive?");
    await client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }
}

function echo(request: Request): Session | Promise<Session> {
  const query = new URL(request.url).searchParams;
  const session: Session = {
    id: query.get("id") ?? undefined,
    onEvent(client, message) {
      if (message === "throw") throw new Error("a secret of the application");
      void client.emit(message);
    },
  };
  // An authentication that never answers.
  return query.has("wait") ? new Promise(() => {}) : session;
}

/** The status of a response; 0 when the connection was cut without one. */
export async function statusOf(client: RawClient): Promise<number> {
  const status = await client.status();
  client.socket.destroy();
  return status;
}

/** The code of the close frame that comes next; 1006 when the connection is cut without one, 1005 when the frame has none. */
export async function closeCode(client: RawClient): Promise<number> {
  let frame = await client.next();
  while (frame && frame.opcode !== 8) frame = await client.next();
  client.socket.destroy();
  if (!frame) return 1006;
  return frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 1005;
}

/** A client frame, bit by bit. */
export function frameOf(
  opcode: number,
  payload: Uint8Array | string = "",
  { fin = true, rsv = 0, masked = true, key = [0x12, 0x34, 0x56, 0x78], length }: {
    fin?: boolean;
    rsv?: number;
    masked?: boolean;
    key?: readonly number[];
    /** What the header says instead of the payload's own length. */
    length?: bigint;
  } = {},
): Buffer {
  const bytes = Buffer.from(payload);
  const said = length ?? BigInt(bytes.length);
  const size = said < 126n ? Buffer.of(Number(said)) : said < 65_536n ? Buffer.alloc(3, 126) : Buffer.alloc(9, 127);
  if (size.length === 3) size.writeUInt16BE(Number(said), 1);
  if (size.length === 9) size.writeBigUInt64BE(said, 1);
  size[0] = (size[0] ?? 0) | (masked ? 0x80 : 0);
  const first = Buffer.of((fin ? 0x80 : 0) | (rsv << 4) | opcode);
  if (!masked) return Buffer.concat([first, size, bytes]);
  return Buffer.concat([first, size, Buffer.from(key), bytes.map((byte, index) => byte ^ (key[index % 4] ?? 0))]);
}
