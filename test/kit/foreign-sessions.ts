/** Servers of other libraries' protocols as sessions of ours: what their own servers do with a socket of `ws`. */
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AnyTRPCRouter } from "@trpc/server";
import { getWSConnectionHandler } from "@trpc/server/adapters/ws";
import { buildSchema, type GraphQLSchema } from "graphql";
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from "graphql-ws";
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import * as sync from "y-protocols/sync";
import { Doc } from "yjs";
import type { Client } from "../../src/client/client.ts";
import type { Session } from "../../src/client/session.ts";

const SYNC = 0;

/** A server of `y-websocket`: one document, and a topic of all who edit it. */
export function yjsSession(): () => Session {
  const doc = new Doc();
  const reply = (client: Client, write: (encoder: encoding.Encoder) => void): void => {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, SYNC);
    write(encoder);
    if (encoding.length(encoder) > 1) void client.emit(encoding.toUint8Array(encoder));
  };
  doc.on("update", (update: Uint8Array, editor: Client) => {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, SYNC);
    sync.writeUpdate(encoder, update);
    void editor.publish("doc", encoding.toUint8Array(encoder));
  });
  return () => ({
    async onConnect(client) {
      await client.subscribe("doc");
      reply(client, (encoder) => sync.writeSyncStep1(encoder, doc));
    },
    onEvent(client, message) {
      const decoder = decoding.createDecoder(message as Uint8Array);
      if (decoding.readVarUint(decoder) !== SYNC) return;
      reply(client, (encoder) => void sync.readSyncMessage(decoder, encoder, doc, client));
    },
  });
}

const SCHEMA: GraphQLSchema = buildSchema(`
  type Query { hello(name: String!): String! }
  type Subscription { counted: Int! }
`);

/** A server of `graphql-ws`; `plain` lets it choose its own subprotocol. */
export function graphqlSession(plain: boolean): () => Session {
  const server = makeServer({
    schema: SCHEMA,
    roots: {
      query: { hello: ({ name }: { name: string }) => `hello ${name}` },
      subscription: { counted },
    },
  });
  // By client, not in the session: that is another one after a resume.
  const heard = new WeakMap<Client, (message: string) => Promise<void>>();
  const closed = new WeakMap<Client, (code?: number, reason?: string) => Promise<void>>();
  return () => ({
    ...(plain && { protocol: GRAPHQL_TRANSPORT_WS_PROTOCOL }),
    onConnect(client) {
      const end = server.opened({
        protocol: GRAPHQL_TRANSPORT_WS_PROTOCOL,
        send: async (data) => void await client.emit(data),
        close: (code, reason) => client.close(code, reason),
        onMessage: (listener) => void heard.set(client, listener),
      }, {});
      closed.set(client, end);
    },
    onEvent: (client, message) => void heard.get(client)?.(String(message)),
    onDisconnect: (client, code, reason) => void closed.get(client)?.(code, reason),
  });
}

async function* counted(): AsyncIterable<{ counted: number }> {
  for (let count = 1;; count++) {
    yield { counted: count };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A socket of `ws`, as far as tRPC's server knows one, over one of our clients. */
class TrpcSocket extends EventEmitter {
  readonly #client: Client;

  constructor(client: Client) {
    super();
    this.#client = client;
  }

  get readyState(): number {
    return this.#client.open ? 1 : 3;
  }

  send(data: string): void {
    void this.#client.emit(data);
  }

  close(): void {
    this.#client.close();
  }

  terminate(): void {
    this.#client.terminate();
  }
}

/** A server of tRPC over WebSockets. */
export function trpcSession(router: AnyTRPCRouter): (request: Request) => Session {
  // Its type asks for a server of `ws`, which the handler of one connection does not use.
  const connected = getWSConnectionHandler({ router } as Parameters<typeof getWSConnectionHandler>[0]);
  const sockets = new WeakMap<Client, TrpcSocket>();
  return ({ url }) => ({
    onConnect(client) {
      const socket = new TrpcSocket(client);
      sockets.set(client, socket);
      const request = { url: new URL(url).pathname, headers: {} } as IncomingMessage;
      connected(socket as unknown as Parameters<typeof connected>[0], request);
    },
    onEvent(client, message) {
      const bytes = typeof message === "string" ? Buffer.from(message) : Buffer.from(message);
      sockets.get(client)?.emit("message", bytes, typeof message !== "string");
    },
    onDisconnect: (client) => void sockets.get(client)?.emit("close"),
  });
}
