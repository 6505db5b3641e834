/**
 * Libraries that take the client package's class instead of the platform's WebSocket: over a server that speaks
 * `meshsocket.v1` they do not notice a dropped connection, and over a plain one they connect again as they always do.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { initTRPC } from "@trpc/server";
import { createTRPCClient, createWSClient, wsLink } from "@trpc/client";
import { createClient } from "graphql-ws";
import { WebsocketProvider } from "y-websocket";
import { Doc } from "yjs";
import { MeshWebSocket } from "../../client/index.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { SessionFactory } from "../../src/client/session.ts";
import { Hub } from "../../src/hub/hub.ts";
import { graphqlSession, trpcSession, yjsSession } from "../kit/foreign-sessions.ts";
import { loadServe } from "../kit/servers.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { until } from "../kit/until.ts";

const serve = await loadServe();

const trpc = initTRPC.create();
const router = trpc.router({
  hello: trpc.procedure.input(String).query(({ input }) => `hello ${input}`),
  counted: trpc.procedure.subscription(async function* ({ signal }) {
    for (let count = 1; !signal?.aborted; count++) {
      yield count;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }),
});

/** A server, a network that can be cut, and the class to hand to a library. */
interface Scene {
  readonly hub: Hub;
  readonly url: string;
  readonly plain: boolean;
  readonly Socket: typeof WebSocket;
  /** Cuts every connection; resolves with the events of the library's socket until it works again. */
  readonly cut: () => Promise<void>;
  /** The events of all sockets that the library opened. */
  readonly events: string[];
}

async function scenes(session: (plain: boolean) => SessionFactory, run: (scene: Scene) => Promise<void>) {
  for (const plain of [false, true]) {
    const hub = new Hub({ logger: silentLogger });
    const opened: MeshWebSocket[] = [];
    const events: string[] = [];
    class Socket extends MeshWebSocket {
      constructor(url: string | URL, protocols: string | string[] = []) {
        super(url, protocols, { plain, minDelayMs: 20 });
        opened.push(this);
        for (const type of ["open", "away", "resumed", "lost", "close"] as const) {
          this.addEventListener(type, () => events.push(type));
        }
      }
    }
    await using server = await serve(hub, { port: 0, hostname: "127.0.0.1", session: session(plain) });
    const proxy = await TcpProxy.open(server.port);
    const cut = async (): Promise<void> => {
      const before = events.length;
      proxy.cut();
      const back = plain ? "open" : "resumed";
      await until(`${back} after a cut`, () => events.slice(before).includes(back));
    };
    const scene = { hub, url: `ws://${proxy.host}`, plain, cut, events, Socket: Socket as unknown as typeof WebSocket };
    try {
      await run(scene);
    } finally {
      for (const ws of opened) ws.close();
      await proxy.close();
    }
  }
}

/** The sockets of a library that did not notice anything. */
function unnoticed({ events, plain }: Scene, times: number): void {
  if (!plain) assert.deepEqual(events.filter((type) => type === "open" || type === "close"), Array(times).fill("open"));
}

/** A count that went on: nothing is missing or doubled, and it was not begun again. */
function inOrder({ plain }: Scene, seen: readonly number[]): void {
  if (!plain) assert.deepEqual(seen, seen.map((_, index) => index + 1));
}

test("y-websocket: documents converge, before and after a cut", () => {
  const sessions = yjsSession;
  return scenes(sessions, async (scene) => {
    const open = (doc: Doc): WebsocketProvider =>
      new WebsocketProvider(scene.url, "doc", doc, {
        WebSocketPolyfill: scene.Socket,
        disableBc: true,
        maxBackoffTime: 50,
      });
    const [one, other] = [new Doc(), new Doc()];
    const providers = [open(one), open(other)];
    try {
      one.getText().insert(0, "hello");
      await until("the text to arrive", () => other.getText().toJSON() === "hello");
      await scene.cut();
      other.getText().insert(5, " world");
      one.getText().insert(0, "> ");
      const whole = "> hello world";
      await until("both to converge", () => one.getText().toJSON() === whole && other.getText().toJSON() === whole);
      unnoticed(scene, 2);
    } finally {
      for (const provider of providers) provider.destroy();
      for (const doc of [one, other]) doc.destroy();
    }
  });
});

test("graphql-ws: queries and a subscription, before and after a cut", () =>
  scenes(graphqlSession, async (scene) => {
    const client = createClient({
      url: scene.url,
      webSocketImpl: scene.Socket,
      shouldRetry: () => true,
      retryWait: () => new Promise((resolve) => setTimeout(resolve, 20)),
    });
    const seen: number[] = [];
    const stop = client.subscribe<{ counted: number }>({ query: "subscription { counted }" }, {
      next: ({ data }) => data && seen.push(data.counted),
      error: () => {},
      complete: () => {},
    });
    try {
      const hello = async (name: string): Promise<unknown> => {
        const query = client.iterate<{ hello: string }>({ query: `{ hello(name: "${name}") }` });
        for await (const { data } of query) return data?.hello;
        return undefined;
      };
      assert.equal(await hello("you"), "hello you");
      await until("some counts", () => seen.length >= 3);
      await scene.cut();
      assert.equal(await hello("again"), "hello again");
      const before = seen.length;
      await until("more counts", () => seen.length >= before + 5);
      inOrder(scene, seen);
      unnoticed(scene, 1);
    } finally {
      stop();
      await client.dispose();
    }
  }));

test("tRPC: queries and a subscription over its wsLink, before and after a cut", () =>
  scenes(() => trpcSession(router), async (scene) => {
    const socket = createWSClient({ url: scene.url, WebSocket: scene.Socket, retryDelayMs: () => 20 });
    const client = createTRPCClient<typeof router>({ links: [wsLink({ client: socket })] });
    const seen: number[] = [];
    const subscription = client.counted.subscribe(undefined, { onData: (count) => seen.push(count) });
    try {
      assert.equal(await client.hello.query("you"), "hello you");
      await until("some counts", () => seen.length >= 3);
      await scene.cut();
      assert.equal(await client.hello.query("again"), "hello again");
      const before = seen.length;
      await until("more counts", () => seen.length >= before + 5);
      inOrder(scene, seen);
      unnoticed(scene, 1);
    } finally {
      subscription.unsubscribe();
      await socket.close();
    }
  }));
