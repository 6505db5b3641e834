import type { Audience } from "./audience.ts";
import { backoffMs } from "../../base/backoff.ts";
import { create } from "@bufbuild/protobuf";
import {
  type Member,
  type PresenceRequest,
  PresenceRequestSchema,
  type PresenceResponse,
} from "../../gen/meshsocket/node/v1/node_pb.ts";
import type { Links } from "../../link/links.ts";
import type { PresenceView } from "../../hub/presence-view.ts";
import type { RemotePresence } from "../../hub/presences.ts";
import { Pipe } from "../../base/pipe.ts";
import type { Holder } from "../../storage/storage.ts";

/** Follows members on other nodes, over one line to each node that has listeners on a watched topic. */
export class PresenceLines implements RemotePresence {
  readonly #deps: PresenceDependencies;
  readonly #views = new Map<string, PresenceView>();
  readonly #lines = new Map<string, PresenceLine>();
  #closed = false;

  constructor(deps: PresenceDependencies) {
    this.#deps = deps;
  }

  async follow(topic: string, view: PresenceView): Promise<void> {
    this.#views.set(topic, view);
    const snapshots = await this.#find(topic);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.#deps.timeoutMs)));
    await Promise.race([Promise.all(snapshots), late]);
    clearTimeout(timer);
  }

  /** To be called after the living nodes were learned again: looks for nodes again where that failed, and follows no others. */
  retry(): void {
    for (const [life, line] of this.#lines) if (!this.#deps.neighbours.has(line.node)) this.forget(life);
    for (const topic of this.#views.keys()) this.#find(topic).catch(() => {});
  }

  unfollow(topic: string): void {
    this.#views.delete(topic);
    for (const line of this.#lines.values()) line.unwant(topic);
  }

  /** A node has listeners on a topic. */
  announced(topic: string, node: Holder): void {
    if (this.#views.has(topic)) void this.#follow(topic, node);
  }

  /** A node is gone, and with it all that only it had. */
  forget(life: string): void {
    this.#lines.get(life)?.close();
    this.#lines.delete(life);
    for (const view of this.#views.values()) view.sourceGone(life);
  }

  /** The storage forgot that this node caches these topics: asks again. Rejects if the storage fails. */
  async restore(): Promise<void> {
    await Promise.all(Array.from(this.#views.keys(), (topic) => this.#find(topic)));
  }

  close(): void {
    this.#closed = true;
    for (const line of this.#lines.values()) line.close();
    this.#lines.clear();
  }

  /** Follows the topic on every node that has listeners; what it resolves with settles when their snapshots are there. */
  async #find(topic: string): Promise<Promise<void>[]> {
    const nodes = await this.#deps.audience.find(topic, async (found) => [...found]);
    return this.#views.has(topic) ? nodes.map((node) => this.#follow(topic, node)) : [];
  }

  async #follow(topic: string, node: Holder): Promise<void> {
    // If a node is not known to live, its end is not noticed either.
    if (!this.#closed && this.#deps.neighbours.has(node)) await this.#line(node).want(topic);
  }

  #line(node: Holder): PresenceLine {
    let line = this.#lines.get(node.life);
    if (line) return line;
    line = new PresenceLine(node, this.#deps.neighbours, (response) => this.#tell(node.life, response));
    this.#lines.set(node.life, line);
    return line;
  }

  #tell(life: string, { topic, snapshot, joined, left }: PresenceResponse): void {
    const view = this.#views.get(topic);
    if (!view) return;
    if (snapshot) {
      view.snapshot(life, joined);
      return;
    }
    for (const member of joined) view.joined(life, member);
    for (const { id, replaced } of left) view.left(life, id, replaced);
  }
}

/** One line to one life of one node; opened again, with a new snapshot, whenever it breaks. */
class PresenceLine {
  readonly node: Holder;
  readonly #neighbours: PresenceNeighbours;
  readonly #onResponse: (response: PresenceResponse) => void;
  /** By topic, what settles at the first snapshot. */
  readonly #wanted = new Map<string, PromiseWithResolvers<void>>();
  readonly #closed = new AbortController();
  /** By topic, the beginning of a snapshot that comes in parts. */
  readonly #parts = new Map<string, Member[]>();
  #requests: Pipe<PresenceRequest> | undefined;
  #running = false;

  constructor(node: Holder, neighbours: PresenceNeighbours, onResponse: (response: PresenceResponse) => void) {
    this.node = node;
    this.#neighbours = neighbours;
    this.#onResponse = onResponse;
  }

  /** Settles when the snapshot of the topic is there, or the line is closed. */
  want(topic: string): Promise<void> {
    const known = this.#wanted.get(topic);
    if (known) return known.promise;
    const first = Promise.withResolvers<void>();
    this.#wanted.set(topic, first);
    this.#requests?.push(create(PresenceRequestSchema, { topic, wanted: true }));
    if (!this.#running) void this.#run();
    return first.promise;
  }

  unwant(topic: string): void {
    this.#wanted.get(topic)?.resolve();
    if (this.#wanted.delete(topic)) this.#requests?.push(create(PresenceRequestSchema, { topic, wanted: false }));
  }

  close(): void {
    this.#closed.abort();
    this.#requests?.end();
    for (const { resolve } of this.#wanted.values()) resolve();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    this.#running = true;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        for await (const response of this.#open(signal)) {
          if (signal.aborted) return;
          failures = 0;
          this.#heard(response);
        }
      } catch {
        // Watches keep what they know until the node is back or declared dead.
      }
      if (!signal.aborted) this.#neighbours.suspect(this.node);
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, backoffMs(failures)));
    }
  }

  #heard(response: PresenceResponse): void {
    const { topic, snapshot, more, joined } = response;
    if (!snapshot) {
      this.#onResponse(response);
      return;
    }
    const members = [...(this.#parts.get(topic) ?? []), ...joined];
    if (more) {
      this.#parts.set(topic, members);
      return;
    }
    this.#parts.delete(topic);
    this.#onResponse({ ...response, joined: members });
    this.#wanted.get(topic)?.resolve();
  }

  #open(signal: AbortSignal): AsyncIterable<PresenceResponse> {
    const requests = new Pipe<PresenceRequest>();
    this.#requests = requests;
    this.#parts.clear();
    requests.push(create(PresenceRequestSchema, { toLife: this.node.life }));
    for (const topic of this.#wanted.keys()) requests.push(create(PresenceRequestSchema, { topic, wanted: true }));
    return this.#neighbours.links.client(this.node).presence(requests, { signal });
  }
}

/** Dependencies of {@link PresenceLines}. */
interface PresenceDependencies {
  neighbours: PresenceNeighbours;
  /** Finds the nodes with clients on a topic; from then on they announce themselves. */
  audience: Audience;
  /** How long a watch waits for the snapshots of the others. */
  timeoutMs: number;
}

/** The other nodes, as far as presence needs them. Lines lead only to those that live, as far as is known. */
interface PresenceNeighbours {
  readonly links: Pick<Links, "client">;
  has(node: Holder): boolean;
  /** The line to a node broke: it may be dead. */
  suspect(node: Holder): void;
}
