/**
 * The chat that `npm start` and `npm run demo` serve: an application on top of meshsocket, and an example of one.
 *
 * Messages are JSON in text frames, {@link FromPage} one way and {@link ToPage} the other. Who is where needs no state
 * of its own: every client listens on the topic of its node, and the members of a topic are known in the whole cluster.
 */
import type { Client } from "../src/client/client.ts";
import { DistHub } from "../src/distributed/dist-hub.ts";
import { MeshError } from "../src/base/error.ts";
import type { Hub } from "../src/hub/hub.ts";
import type { Session } from "../src/client/session.ts";

/** A message of the page. */
export type FromPage = { type: "say"; text: string } | { type: "to"; id: string; text: string } | { type: "who" };

/** A message to the page. */
export type ToPage =
  /** First of all: the name it has and the node it is on. */
  | { type: "welcome"; id: string; node: string; runtime: string }
  /** Somebody wrote to everyone, or (`direct`) to this client alone. */
  | { type: "said"; from: string; text: string; direct: boolean }
  /** The outcome of a message to one id: whether its socket took it. */
  | { type: "sent"; to: string; text: string; accepted: boolean }
  /** Somebody came or went: ask who is there. */
  | { type: "changed" }
  /** The answer to `who`. */
  | { type: "who"; nodes: readonly NodeClients[] }
  /** A message could not be handled. */
  | { type: "failed"; why: string };

/** The visitors that are connected to one node. */
export interface NodeClients {
  node: string;
  /** The runtime of the node; unknown while nobody is connected to it. */
  runtime: string | undefined;
  ids: readonly string[];
}

const RUNTIMES: readonly string[] = ["Node", "Bun", "Deno"];
const MAX_NAME_LENGTH = 32;
const MAX_TEXT_LENGTH = 2_000;

/** The chat of one node; `runtime` and `version` say what it runs on. */
export class Chat {
  readonly #hub: Hub;
  readonly #runtime: string;
  readonly #version: string;
  #roster: Promise<NodeClients[]> | undefined;
  #nextRoster: Promise<NodeClients[]> | undefined;

  constructor(hub: Hub, runtime: string, version: string) {
    this.#hub = hub;
    this.#runtime = runtime;
    this.#version = version;
    // A node that dies tells nobody that its clients are gone.
    for (const type of ["nodejoin", "nodeleave"] as const) hub.on(type, () => this.#tellOwnClients());
  }

  /** For `serve`: the visitor's name is the client's id. */
  session(request: Request): Session | Response {
    const name = new URL(request.url).searchParams.get("name") ?? undefined;
    if (name !== undefined && !isName(name)) {
      return new Response(`a name has 1 to ${MAX_NAME_LENGTH} characters`, { status: 400 });
    }
    return {
      id: name,
      onConnect: (client) => this.#connected(client),
      onEvent: (client, message) => this.#received(client, message),
      onDisconnect: () => void this.#hub.broadcast(text({ type: "changed" })),
    };
  }

  async #connected(client: Client): Promise<void> {
    await client.subscribe([nodeTopic(this.#node), runtimeTopic(this.#runtime)]);
    const runtime = `${this.#runtime} ${this.#version}`;
    void client.emit(text({ type: "welcome", id: client.id, node: this.#node, runtime }));
    void this.#hub.broadcast(text({ type: "changed" }));
  }

  async #received(client: Client, message: string | Uint8Array): Promise<void> {
    const request = parse(message);
    try {
      if (request === undefined) throw new MeshError("invalid_argument", "the message is not one of this chat");
      await this.#answer(client, request);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      void client.emit(text({ type: "failed", why: error.message }));
    }
  }

  async #answer(client: Client, request: FromPage): Promise<void> {
    switch (request.type) {
      case "say":
        await this.#hub.broadcast(text({ type: "said", from: client.id, text: request.text, direct: false }));
        break;
      case "to": {
        const said = text({ type: "said", from: client.id, text: request.text, direct: true });
        const accepted = await this.#hub.emit(request.id, said);
        await client.emit(text({ type: "sent", to: request.id, text: request.text, accepted }));
        break;
      }
      case "who":
        await client.emit(text({ type: "who", nodes: await this.#who() }));
    }
  }

  /** The visitors by node, now. Calls that come while the last answer is gathered share the next one, which is newer than all of them. */
  #who(): Promise<NodeClients[]> {
    if (!this.#roster) {
      this.#roster = this.#gather().finally(() => (this.#roster = undefined));
      return this.#roster;
    }
    this.#nextRoster ??= this.#roster.catch(() => {}).then(() => {
      this.#nextRoster = undefined;
      return this.#who();
    });
    return this.#nextRoster;
  }

  async #gather(): Promise<NodeClients[]> {
    const [clients, runtimes] = await Promise.all([
      Promise.all(this.#nodes.map((node) => this.#hub.members(nodeTopic(node)))),
      Promise.all(RUNTIMES.map((runtime) => this.#hub.members(runtimeTopic(runtime)))),
    ]);
    return this.#nodes.map((node, index) => {
      const ids = (clients[index]?.ids ?? []).toSorted();
      const runtime = RUNTIMES.find((_, at) => runtimes[at]?.ids.some((id) => ids.includes(id)));
      return { node, runtime: node === this.#node ? this.#runtime : runtime, ids };
    });
  }

  /** The name of this node: its address in the cluster, when there is one. */
  get #node(): string {
    return this.#hub instanceof DistHub ? (this.#hub.holder?.host ?? "") : "this node";
  }

  get #nodes(): string[] {
    return this.#hub instanceof DistHub ? this.#hub.nodes().map(({ host }) => host).toSorted() : [this.#node];
  }

  #tellOwnClients(): void {
    for (const client of this.#hub) void client.emit(text({ type: "changed" }));
  }
}

function nodeTopic(node: string): string {
  return `clients of ${node}`;
}

function runtimeTopic(runtime: string): string {
  return `clients on ${runtime}`;
}

function text(message: ToPage): string {
  return JSON.stringify(message);
}

function isName(name: string): boolean {
  return name.trim() === name && name !== "" && name.length <= MAX_NAME_LENGTH;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_TEXT_LENGTH;
}

/** The message of a page, if it keeps to the protocol. */
function parse(message: string | Uint8Array): FromPage | undefined {
  if (typeof message !== "string") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    return undefined;
  }
  const { type, id, text: words } = (value ?? {}) as Record<string, unknown>;
  if (type === "who") return { type };
  if (type === "say" && isText(words)) return { type, text: words };
  if (type === "to" && typeof id === "string" && isText(words)) return { type, id, text: words };
  return undefined;
}
