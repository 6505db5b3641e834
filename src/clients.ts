import type { Connection } from "./connection.ts";
import type { Frame } from "./frame.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Limits } from "./limits.ts";
import { afterTick } from "./tick.ts";
import { TopicIndex } from "./topics.ts";

/**
 * The connections of this node, by id and by topic, and the one write per connection and tick.
 *
 * The sending methods only queue: what became of a frame is known once {@link Clients.written} settled,
 * when `frame.refused` counts the connections that did not take it.
 */
export class Clients<Data = unknown> {
  readonly topics: TopicIndex<Data> = new TopicIndex<Data>();
  readonly #byId = new Map<string, Connection<Data>>();
  readonly #heartbeat: Heartbeat;
  #dirty: Connection<Data>[] = [];
  /** The other list, empty: the two take turns. */
  #spare: Connection<Data>[] = [];
  #written: PromiseWithResolvers<void> | undefined;

  constructor(limits: Readonly<Limits>) {
    this.#heartbeat = new Heartbeat(limits);
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Connection<Data> | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<Connection<Data>> {
    return this.#byId.values();
  }

  add(connection: Connection<Data>): void {
    this.#byId.set(connection.id, connection);
    this.#heartbeat.add(connection, performance.now());
  }

  /** Removes a connection, unless a newer one has its id. */
  delete(connection: Connection<Data>): void {
    this.#heartbeat.delete(connection);
    if (this.#byId.get(connection.id) === connection) this.#byId.delete(connection.id);
  }

  /** Queues a frame for one id; false when nobody here has it. */
  emit(id: string, frame: Frame): boolean {
    const connection = this.#byId.get(id);
    connection?.enqueue(frame);
    return connection !== undefined;
  }

  /** Queues a frame for all; returns how many were offered it. */
  broadcast(frame: Frame, except: ReadonlySet<string> | undefined): number {
    return offer(this.#byId.values(), frame, except);
  }

  /** Queues a frame for a topic's listeners; returns how many were offered it. */
  publish(topic: string, frame: Frame, except: ReadonlySet<string> | undefined): number {
    return offer(this.topics.listeners(topic) ?? [], frame, except);
  }

  /** Settles when everything queued so far was written. */
  written(): Promise<void> {
    return this.#written?.promise ?? Promise.resolve();
  }

  willFlush(connection: Connection<Data>): void {
    this.#dirty.push(connection);
    if (this.#written) return;
    this.#written = Promise.withResolvers();
    afterTick(() => this.#flush());
  }

  #flush(): void {
    const dirty = this.#dirty;
    const written = this.#written;
    this.#dirty = this.#spare;
    this.#written = undefined;
    for (const connection of dirty) connection.flush();
    dirty.length = 0;
    this.#spare = dirty;
    written?.resolve();
  }
}

function offer<Data>(to: Iterable<Connection<Data>>, frame: Frame, except: ReadonlySet<string> | undefined): number {
  let offered = 0;
  for (const connection of to) {
    if (except !== undefined && except.has(connection.id)) continue;
    connection.enqueue(frame);
    offered++;
  }
  return offered;
}
