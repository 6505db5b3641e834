/**
 * The scene of the client's tests for a page in Chromium. The client runs in the page; the hub, its server and the network are
 * the host's, which is asked for each call of theirs and asks the page for each call of a session's handlers.
 */
import { connect, MeshWebSocket } from "../../../client/index.ts";
import type { Client } from "../../../src/client/client.ts";
import type { Session, SessionFactory } from "../../../src/client/session.ts";
import type { Hub } from "../../../src/hub/hub.ts";
import type { HubOptions } from "../../../src/hub/hub-options.ts";
import { type Heard, listen } from "../client-log.ts";
import type { Scene } from "../client-scene.ts";
import type { TcpProxy } from "../tcp-proxy.ts";
import { decode, encode, settled, unwrap } from "./messages.ts";
import { names, runTest } from "./node-test.ts";

export { type Heard, took } from "../client-log.ts";

/** The functions that the host put into the page, and those that it calls there. */
interface PageGlobals {
  toHost(call: string): Promise<string>;
  fromHost(call: string): Promise<string>;
  testNames(): string[];
  runTest(name: string): Promise<void>;
}

const page = globalThis as unknown as PageGlobals;
/** The things that the host may call, by the names that it was told. */
const near = new Map<string, Readonly<Record<string, (...args: never[]) => unknown>>>();
let given = 0;

page.testNames = names;
page.runTest = runTest;
page.fromHost = (text) =>
  settled(() => {
    const { target, method, args } = decode(text) as { target: string; method: string; args: never[] };
    return near.get(target)?.[method]?.(...args);
  });

export async function scene(
  session: Session | SessionFactory,
  run: (scene: Scene) => Promise<void>,
  options: HubOptions = {},
): Promise<void> {
  const factory = typeof session === "function" ? session : (): Session => ({ id: "me", ...session });
  const opener = give({
    session: async ({ url, headers }: { url: string; headers: [string, string][] }) =>
      told(await factory({ url, headers: new Headers(headers) } as Request, undefined as never)),
  });
  const url = await ask("scene", "open", [opener, options]) as string;
  const opened: MeshWebSocket[] = [];
  const open: Scene["open"] = (other, protocols): Heard => {
    const fast = { minDelayMs: 20, ...other };
    const ws = protocols ? new MeshWebSocket(url, protocols, fast) : connect(url, fast);
    opened.push(ws);
    return listen(ws);
  };
  try {
    await run({ hub: farHub(), proxy: far("proxy") as TcpProxy, url, open });
  } finally {
    for (const ws of opened) ws.close();
    await ask("scene", "close", []);
    near.clear();
  }
}

/** A session as the host is told it, with its handlers where the host finds them. */
function told(session: Awaited<ReturnType<SessionFactory>>): unknown {
  if (session instanceof Response) throw new Error("a page refuses with { refuse }");
  const handlers: Record<string, (...args: never[]) => unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(session ?? {})) {
    if (typeof value === "function") {
      const handler = value as (client: Client, ...more: unknown[]) => unknown;
      handlers[name] = (client: string, ...more: unknown[]) => handler(far(client) as Client, ...more);
    } else rest[name] = value;
  }
  return { rest, handlers: give(handlers), names: Object.keys(handlers) };
}

function give(methods: Readonly<Record<string, (...args: never[]) => unknown>>): string {
  const name = `page ${++given}`;
  near.set(name, methods);
  return name;
}

async function ask(target: string, method: string, args: readonly unknown[]): Promise<unknown> {
  return unwrap(await page.toHost(encode({ target, method, args })));
}

/** A thing of the host: each of its methods asks there, in the order of the calls. */
function far(target: string, own: Readonly<Record<PropertyKey, unknown>> = {}): unknown {
  return new Proxy({}, {
    get: (_, method) => {
      if (Object.hasOwn(own, method)) return own[method];
      // It is no promise.
      return method === "then" ? undefined : (...args: unknown[]) => ask(target, String(method), args);
    },
  });
}

function farHub(): Hub {
  return far("hub", {
    on: (event: string, listener: (...args: never[]) => unknown) =>
      void ask("hub", "on", [event, give({ heard: listener })]),
    stream: (topic: string) => {
      const name = `stream ${++given}`;
      const stopped = new AbortController();
      void ask("hub", "stream", [topic, name, give({ heard: () => stopped.abort() })]);
      return far(name, { stopped: stopped.signal });
    },
    *[Symbol.iterator]() {
      yield far("everyone");
    },
  }) as Hub;
}
