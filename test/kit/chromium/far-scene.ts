import type { Client } from "../../../src/client/client.ts";
import type { Session, SessionFactory } from "../../../src/client/session.ts";
import { silentLogger } from "../../../src/base/log/logger.ts";
import { Hub } from "../../../src/hub/hub.ts";
import type { HubOptions } from "../../../src/hub/hub-options.ts";
import type { Server } from "../../../src/hub/serve-options.ts";
import { loadServe } from "../servers.ts";
import { TcpProxy } from "../tcp-proxy.ts";
import { decode, encode, settled, unwrap } from "./messages.ts";

const serve = await loadServe();

type Methods = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** The hub, server and network of a test that runs in a page: it answers the page's calls, and calls its handlers. */
export class FarScene {
  readonly #toPage: (call: string) => Promise<string>;
  /** The things that the page may call. */
  readonly #near = new Map<string, Methods>();
  #given = 0;
  #server: Server | undefined;
  #proxy: TcpProxy | undefined;

  constructor(toPage: (call: string) => Promise<string>) {
    this.#toPage = toPage;
    this.#near.set("scene", {
      open: (session, options) => this.#open(session as string, options as HubOptions),
      close: () => this.#close(),
    });
  }

  /** Answers one call of the page. Never rejects. */
  async answer(call: string): Promise<string> {
    const { target, method, args } = decode(call) as { target: string; method: string; args: unknown[] };
    return await settled(() => {
      const methods = this.#near.get(target);
      if (methods?.[method] === undefined) throw new Error(`the host has no ${target}.${method}`);
      return methods[method](...args);
    });
  }

  async #open(session: string, options: HubOptions): Promise<string> {
    const hub = new Hub({ logger: silentLogger, origins: "any", ...options });
    const factory: SessionFactory = async ({ url, headers }) =>
      this.#session(await this.#ask(session, "session", [{ url, headers: [...headers] }]) as ToldSession);
    this.#server = await serve(hub, { port: 0, hostname: "127.0.0.1", session: factory });
    this.#proxy = await TcpProxy.open(this.#server.port);
    this.#near.set("hub", this.#hubMethods(hub));
    this.#near.set("proxy", methodsOf(this.#proxy));
    this.#near.set("everyone", { terminate: () => [...hub].forEach((client) => client.terminate()) });
    return `ws://${this.#proxy.host}/`;
  }

  async #close(): Promise<void> {
    await this.#server?.close();
    await this.#proxy?.close();
    const scene = this.#near.get("scene");
    this.#near.clear();
    if (scene) this.#near.set("scene", scene);
  }

  #hubMethods(hub: Hub): Methods {
    const on = (event: unknown, listener: unknown): void => {
      hub.on(event as "lost", () => void this.#ask(listener as string, "heard", []));
    };
    const stream = (topic: unknown, name: unknown, stopped: unknown): void => {
      const made = hub.stream(topic as string);
      made.stopped.addEventListener("abort", () => void this.#ask(stopped as string, "heard", []));
      this.#near.set(name as string, methodsOf(made));
    };
    return { ...methodsOf(hub), on, stream };
  }

  /** A session whose handlers are the page's. */
  #session({ rest, handlers, names }: ToldSession): Session {
    const asking = names.map((name) => [
      name,
      (client: Client, ...more: unknown[]) => this.#ask(handlers, name, [this.#give(client), ...more]),
    ]);
    return { ...rest, ...Object.fromEntries(asking) as Session };
  }

  #give(client: Client): string {
    const name = `client ${++this.#given}`;
    this.#near.set(name, methodsOf(client));
    return name;
  }

  async #ask(target: string, method: string, args: readonly unknown[]): Promise<unknown> {
    return unwrap(await this.#toPage(encode({ target, method, args })));
  }
}

/** A session as a page tells it. */
interface ToldSession {
  readonly rest: Session;
  readonly handlers: string;
  readonly names: readonly string[];
}

/** Its methods, those of its classes included. */
function methodsOf(target: object): Methods {
  const methods: Record<string, (...args: unknown[]) => unknown> = {};
  let level: object | null = target;
  while (level !== null && level !== Object.prototype) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value === "function") methods[name] ??= (value as (...args: unknown[]) => unknown).bind(target);
    }
    level = Object.getPrototypeOf(level) as object | null;
  }
  return methods;
}
