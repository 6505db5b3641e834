/**
 * The chat that `npm start` and `npm run demo` serve: an application on top of meshsocket, and an example of one.
 *
 * Messages are JSON in text frames, {@link FromPage} one way and {@link ToPage} the other; {@link Call} is what a page calls, and
 * hears the outcome of. Who is where needs no state of its own: every client listens on the topic of its node, and the members
 * of a topic are known in the whole cluster.
 *
 * Messages to everyone go to a topic, which keeps them for a while if there is a place for that. A page whose node died gets those
 * that it missed, and says again, under the same key, whatever it does not know to have arrived: nothing is missing or doubled.
 */
import type { Client } from "../src/client/client.ts";
import { DistHub } from "../src/distributed/dist-hub.ts";
import { MeshError } from "../src/base/error.ts";
import type { Hub } from "../src/hub/hub.ts";
import type { Session } from "../src/client/session.ts";

/** A message of the page. */
export type FromPage = { type: "say"; text: string } | { type: "to"; id: string; text: string } | { type: "who" };

/** A call of the page over `meshsocket.v1`. */
export type Call =
  /** Listens, and gets the last messages first. */
  | { type: "join" }
  /** Says something to everyone, once however often it is called with this number; without text it is only counted. */
  | { type: "say"; run: string; number: number; text: string }
  /** Says something to one id alone. */
  | { type: "to"; id: string; text: string };

/** The outcome of a call. */
export interface Outcome {
  delivered: number;
  held: number;
}

/** A message to the page. */
export type ToPage =
  /** First of all: the name it has and the node it is on. */
  | { type: "welcome"; id: string; node: string; runtime: string }
  /** Somebody wrote to everyone, or (`direct`) to this client alone. */
  | { type: "said"; from: string; text: string; direct: boolean; run?: string; number?: number }
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

/** The topic of the messages to everyone. */
export const CHAT = "chat";
/** Messages that a page may have missed while it moved to another node. */
const MISSED = 500;
const RUNTIMES: readonly string[] = ["Node", "Bun", "Deno"];
const MAX_NAME_LENGTH = 32;
const MAX_TEXT_LENGTH = 2_000;

/** The chat of one node; `runtime` and `version` say what it runs on. */
export class Chat {
  readonly #hub: Hub;
  readonly #runtime: string;
  readonly #version: string;
  readonly #keeps: boolean;
  #roster: Promise<NodeClients[]> | undefined;
  #nextRoster: Promise<NodeClients[]> | undefined;

  /** `keeps`: the topic of the chat has a history. */
  constructor(hub: Hub, runtime: string, version: string, keeps: boolean) {
    this.#hub = hub;
    this.#runtime = runtime;
    this.#version = version;
    this.#keeps = keeps;
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
      onRequest: async (client, message) => JSON.stringify(await this.#called(client, message)),
      onResume: (client) => this.#arrived(client),
      onDisconnect: () => void this.#hub.broadcast(text({ type: "changed" })),
    };
  }

  async #connected(client: Client): Promise<void> {
    // A page joins by itself, to get what it missed.
    if (client.protocol === "") await client.subscribe(CHAT);
    await this.#arrived(client);
  }

  /** The client is new on this node. */
  async #arrived(client: Client): Promise<void> {
    await client.unsubscribe([...client.topics].filter((topic) => topic !== CHAT));
    await client.subscribe([nodeTopic(this.#node), runtimeTopic(this.#runtime)]);
    const runtime = `${this.#runtime} ${this.#version}`;
    void client.emit(text({ type: "welcome", id: client.id, node: this.#node, runtime }));
    void this.#hub.broadcast(text({ type: "changed" }));
  }

  async #called(client: Client, message: string | Uint8Array): Promise<Outcome> {
    const call = parseCall(message);
    if (call === undefined) throw new MeshError("invalid_argument", "the call is not one of this chat");
    if (call.type === "to") {
      const said = text({ type: "said", from: client.id, text: call.text, direct: true });
      return { delivered: (await this.#hub.emit(call.id, said)) ? 1 : 0, held: 0 };
    }
    if (call.type === "say") {
      const { run, number } = call;
      const said = text({ type: "said", from: client.id, text: call.text, direct: false, run, number });
      return await this.#hub.publish(CHAT, said, this.#keeps ? { key: `${run}:${number}` } : {});
    }
    if (this.#keeps) await client.subscribe(CHAT, { from: { last: MISSED } });
    else await client.subscribe(CHAT);
    return { delivered: 0, held: 0 };
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
        await this.#hub.publish(CHAT, text({ type: "said", from: client.id, text: request.text, direct: false }));
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

function parseCall(message: string | Uint8Array): Call | undefined {
  const { type, id, text: words, run, number } = jsonOf(message);
  if (type === "join") return { type };
  if (type === "to" && typeof id === "string" && isText(words)) return { type, id, text: words };
  const counted = typeof run === "string" && run.length <= MAX_NAME_LENGTH && Number.isSafeInteger(number);
  if (type !== "say" || !counted || (words !== "" && !isText(words))) return undefined;
  return { type, run, number: number as number, text: words };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_TEXT_LENGTH;
}

/** The message of a page, if it keeps to the protocol. */
function parse(message: string | Uint8Array): FromPage | undefined {
  const { type, id, text: words } = jsonOf(message);
  if (type === "who") return { type };
  if (type === "say" && isText(words)) return { type, text: words };
  if (type === "to" && typeof id === "string" && isText(words)) return { type, id, text: words };
  return undefined;
}

function jsonOf(message: string | Uint8Array): Record<string, unknown> {
  try {
    return (JSON.parse(String(message)) ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}
