import type { Connection } from "./connection.ts";
import { FanOut, type Group } from "./fan-out.ts";
import type { Frame } from "../send/frame.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Limits } from "../base/limits.ts";
import { afterTick } from "../base/tick.ts";
import { TopicIndex } from "./topics.ts";

/** In groups up to this size, queueing a frame for each client costs less than a fan-out. */
const MAX_SMALL_GROUP = 4;
/** Used if nothing waits for the end of the tick: an answer to a client is written before its promise settles. */
const WRITTEN = Promise.resolve();

/**
 * The connections of this node, by id and by topic, and the one write per connection and tick.
 *
 * The sending methods only queue. Once {@link Clients.written} settled, `frame.refused` counts the connections that did not
 * take the frame.
 */
export class Clients<Data = unknown> {
  readonly topics: TopicIndex<Data> = new TopicIndex<Data>((listeners) => this.#beforeChange(listeners));
  readonly #byId = new Map<string, Connection<Data>>();
  readonly #all: Group<Data> = groupOf(this.#byId);
  readonly #heartbeat: Heartbeat;
  #dirty: Connection<Data>[] = [];
  /** The other list, empty: the two take turns. */
  #spare: Connection<Data>[] = [];
  #written: PromiseWithResolvers<void> | undefined;
  #fanOut: FanOut<Data> | undefined;

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
    this.#beforeChange(this.#all);
    this.#byId.set(connection.id, connection);
    this.#heartbeat.add(connection, performance.now());
  }

  /** Removes a connection, unless a newer one has its id. */
  delete(connection: Connection<Data>): void {
    this.#heartbeat.delete(connection);
    if (!this.#all.has(connection)) return;
    this.#beforeChange(this.#all);
    this.#byId.delete(connection.id);
  }

  /** Queues a frame for one id; false if no client of this node has it. */
  emit(id: string, frame: Frame): boolean {
    const connection = this.#byId.get(id);
    connection?.enqueue(frame);
    return connection !== undefined;
  }

  /** Queues a frame for all; returns how many clients were offered it. */
  broadcast(frame: Frame, except: ReadonlySet<string> | undefined): number {
    return this.#sendTo(this.#all, frame, except);
  }

  /** Queues a frame for a topic's listeners; returns how many clients were offered it. */
  publish(topic: string, frame: Frame, except: ReadonlySet<string> | undefined): number {
    const listeners = this.topics.listeners(topic);
    return listeners ? this.#sendTo(listeners, frame, except) : 0;
  }

  #sendTo(group: Group<Data>, frame: Frame, ids: ReadonlySet<string> | undefined): number {
    if (group.size <= MAX_SMALL_GROUP) return sendToEach(group, frame, ids);
    if (this.#fanOut?.group !== group) this.#handOn();
    const except = ids === undefined ? [] : this.#leaveOut(group, ids);
    this.#willWrite();
    // A client that was found too slow just now has left the group, which ended the fan-out.
    return (this.#fanOut ??= new FanOut(group)).add(frame, except);
  }

  /** The members of a group that have one of the ids, after they got the earlier frames of the fan-out. */
  #leaveOut(group: Group<Data>, ids: ReadonlySet<string>): Connection<Data>[] {
    const members: Connection<Data>[] = [];
    for (const id of ids) {
      const connection = this.#byId.get(id);
      if (!connection || !group.has(connection)) continue;
      this.#fanOut?.handOn(connection);
      members.push(connection);
    }
    return members.filter((connection) => group.has(connection));
  }

  /** The fan-out of this tick that has not reached all members of its group yet. */
  get fanOut(): FanOut<Data> | undefined {
    return this.#fanOut;
  }

  #handOn(): void {
    const fanOut = this.#fanOut;
    this.#fanOut = undefined;
    fanOut?.handOnAll();
  }

  #beforeChange(group: Pick<Group<Data>, "has">): void {
    if (this.#fanOut?.group === group) this.#handOn();
  }

  /** Settles when everything queued so far was written. */
  written(): Promise<void> {
    return this.#written?.promise ?? WRITTEN;
  }

  /** Whether the sockets that a frame was queued for took it; known when everything queued so far was written. */
  taken(frame: Frame): Promise<boolean> {
    return this.written().then(() => frame.refused === 0);
  }

  willFlush(connection: Connection<Data>): void {
    this.#dirty.push(connection);
    this.#willWrite();
  }

  #willWrite(): void {
    if (this.#written) return;
    this.#written = Promise.withResolvers();
    afterTick(() => this.#flush());
  }

  #flush(): void {
    this.#handOn();
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

function groupOf<Data>(byId: ReadonlyMap<string, Connection<Data>>): Group<Data> {
  return {
    get size() {
      return byId.size;
    },
    has: (connection) => byId.get(connection.id) === connection,
    values: () => byId.values(),
  };
}

function sendToEach<Data>(group: Group<Data>, frame: Frame, except: ReadonlySet<string> | undefined): number {
  let offered = 0;
  for (const connection of group.values()) {
    if (except !== undefined && except.has(connection.id)) continue;
    connection.enqueue(frame);
    offered++;
  }
  return offered;
}
