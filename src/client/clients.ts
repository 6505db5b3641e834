import { bump, type Counters, type Tally } from "../base/counters/counters.ts";
import { notConfirmable } from "./resume/confirmations.ts";
import type { HubClient } from "./hub-client.ts";
import type { Connection } from "./connection.ts";
import { FanOut, formOf, type Group } from "./fan-out.ts";
import type { CompressOptions } from "../send/compression.ts";
import type { Frame } from "../send/frame.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Limits } from "../base/limits.ts";
import { afterTick } from "../base/tick.ts";
import type { TapPoint } from "./watch/tapped.ts";
import { TopicIndex } from "./topics.ts";

/** In groups up to this size, queueing a frame for each client costs less than a fan-out. */
const MAX_SMALL_GROUP = 4;
/** Used if nothing waits for the end of the tick: an answer to a client is written before its promise settles. */
const WRITTEN = Promise.resolve();

/**
 * The clients of this node, by id and by topic, and the one write per client and tick.
 *
 * The sending methods only queue. Once {@link Clients.written} settled, `frame.refused` counts the clients that did not
 * take the frame.
 */
export class Clients<Data = unknown> {
  readonly topics: TopicIndex<Data> = new TopicIndex<Data>((listeners) => this.#beforeChange(listeners));
  /** Undefined if no topic has settings of its own for compression. */
  compression: CompressionByTopic | undefined = undefined;
  /** Undefined while nobody taps anything. */
  taps: TapPoint | undefined = undefined;
  readonly #byId = new Map<string, HubClient<Data>>();
  readonly #all: Group<HubClient<Data>> = groupOf(this.#byId);
  readonly #heartbeat: Heartbeat;
  readonly #counters: Counters;
  #dirty: HubClient<Data>[] = [];
  /** The other list, empty: the two take turns. */
  #spare: HubClient<Data>[] = [];
  #written: PromiseWithResolvers<void> | undefined;
  #fanOut: FanOut<HubClient<Data>> | undefined;
  /** The fan-out whose members get their frames at this moment. */
  #handing: FanOut<HubClient<Data>> | undefined;
  #emptied: PromiseWithResolvers<void> | undefined;

  constructor(limits: Readonly<Limits>, counters: Counters) {
    this.#counters = counters;
    this.#heartbeat = new Heartbeat(limits);
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): HubClient<Data> | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<HubClient<Data>> {
    return this.#byId.values();
  }

  add(client: HubClient<Data>): void {
    this.#beforeChange(this.#all);
    this.#byId.set(client.id, client);
    if (this.taps !== undefined) client.tap = this.taps.of(client.id);
  }

  /** Removes a client, unless a newer one has its id. */
  delete(client: HubClient<Data>): void {
    if (!this.#all.has(client)) return;
    this.#beforeChange(this.#all);
    this.#byId.delete(client.id);
    if (this.size === 0) this.#emptied?.resolve();
  }

  /** Settles when there is no client any more. */
  emptied(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return (this.#emptied ??= Promise.withResolvers()).promise;
  }

  /** Looks after a client's connection from now on. */
  watch(connection: Connection): void {
    this.#heartbeat.add(connection, performance.now());
  }

  /** A connection is gone. */
  unwatch(connection: Connection): void {
    this.#heartbeat.delete(connection);
  }

  /** Queues a frame for one id; false if no client of this node has it. */
  emit(id: string, frame: Frame): boolean {
    const client = this.#byId.get(id);
    client?.outbox.enqueue(frame);
    return client !== undefined;
  }

  /**
   * Queues a frame for one client, which is asked to acknowledge it; resolves with whether it did. False: it left without,
   * or its buffer is full. Rejects with `failed_precondition` if the client cannot, `resource_exhausted`, `deadline_exceeded`,
   * and with `unknown` if it moved to another node meanwhile.
   */
  async confirm({ arrival, v1 }: HubClient<Data>, frame: Frame, timeoutMs: number): Promise<boolean> {
    if (!v1) throw notConfirmable();
    // Messages of the other node come first.
    if (arrival) await arrival;
    const confirmed = v1.confirm(frame, timeoutMs);
    void this.written().then(() => v1.sync());
    return await confirmed;
  }

  /** Queues a frame for all; returns how many clients were offered it. */
  broadcast(frame: Frame, except: ReadonlySet<string> | undefined): number {
    return this.#counted(this.#sendTo(this.#all, frame, except));
  }

  /** Queues a frame for a topic's listeners; returns how many clients were offered it. */
  publish(topic: string, frame: Frame, except: ReadonlySet<string> | undefined): number {
    const listeners = this.topics.listeners(topic);
    if (listeners === undefined) return 0;
    this.mark(topic, frame);
    if (listeners.tagged !== undefined && listeners.tagged.size > 0) frame.tag(topic);
    listeners.deltas?.next(frame);
    const offered = this.#counted(this.#sendTo(listeners, frame, except));
    if (this.taps !== undefined) this.taps.published(topic, frame, offered);
    return offered;
  }

  /** Has a frame compressed as its topic says. */
  mark(topic: string, frame: Frame): void {
    if (this.compression !== undefined) frame.compress = this.compression.of(topic);
  }

  #counted(offered: number): number {
    this.#counters.fanOuts.add(offered);
    return offered;
  }

  #sendTo(group: Group<HubClient<Data>>, frame: Frame, ids: ReadonlySet<string> | undefined): number {
    if (group.size <= MAX_SMALL_GROUP) return sendToEach(group, frame, ids);
    if (this.#fanOut?.group !== group) this.#handOn();
    const except = ids === undefined ? [] : this.#leaveOut(group, ids);
    this.#willWrite();
    // A client that was found too slow just now has left the group, which ended the fan-out.
    return (this.#fanOut ??= new FanOut(group)).add(frame, except);
  }

  /** The members of a group that have one of the ids, after they got the earlier frames of the fan-out. */
  #leaveOut(group: Group<HubClient<Data>>, ids: ReadonlySet<string>): HubClient<Data>[] {
    const members: HubClient<Data>[] = [];
    for (const id of ids) {
      const client = this.#byId.get(id);
      if (!client || !group.has(client)) continue;
      this.handOn(client);
      members.push(client);
    }
    return members.filter((client) => group.has(client));
  }

  /** Gives a client what this tick sent to a group of it, before it gets something else. */
  handOn(client: HubClient<Data>): void {
    this.#handing?.handOn(client);
    this.#fanOut?.handOn(client);
  }

  #handOn(ends = false): void {
    const fanOut = this.#fanOut;
    if (fanOut === undefined) return;
    const before = this.#handing;
    this.#fanOut = undefined;
    this.#handing = fanOut;
    fanOut.handOnAll(ends);
    this.#handing = before;
  }

  #beforeChange(group: Pick<Group<HubClient<Data>>, "has">): void {
    if (this.#fanOut?.group === group) this.#handOn();
  }

  /** Settles when everything queued so far was written. */
  written(): Promise<void> {
    return this.#written?.promise ?? WRITTEN;
  }

  /** Whether the sockets that a frame was queued for took it, counted in `tally`; known when everything queued so far was written. */
  taken(frame: Frame, tally?: Tally): Promise<boolean> {
    return this.written().then(() => {
      const taken = frame.refused === 0;
      if (tally !== undefined) bump(tally, taken ? "ok" : "missed");
      return taken;
    });
  }

  willFlush(client: HubClient<Data>): void {
    this.#dirty.push(client);
    this.#willWrite();
  }

  #willWrite(): void {
    if (this.#written) return;
    this.#written = Promise.withResolvers();
    afterTick(() => this.#flush());
  }

  #flush(): void {
    const written = this.#written;
    // A listener of a lost client may send meanwhile: its messages belong to the next write.
    this.#written = undefined;
    this.#handOn(true);
    const dirty = this.#dirty;
    this.#dirty = this.#spare;
    for (const client of dirty) client.outbox.flush();
    dirty.length = 0;
    this.#spare = dirty;
    written?.resolve();
  }
}

/** How the messages of topics are compressed; undefined as any other message of the hub, null never. */
export interface CompressionByTopic {
  of(topic: string): Readonly<CompressOptions> | null | undefined;
}

function groupOf<Data>(byId: ReadonlyMap<string, HubClient<Data>>): Group<HubClient<Data>> {
  return {
    get size() {
      return byId.size;
    },
    has: (client) => byId.get(client.id) === client,
    values: () => byId.values(),
  };
}

function sendTo<Data>(group: Group<HubClient<Data>>, client: HubClient<Data>, frame: Frame): void {
  const { deltas, newest, tagged } = group;
  if (newest?.keep(client, [frame], frame.byteLength)) return deltas?.got(client, false);
  if (deltas?.has(client)) {
    deltas.got(client, client.outbox.enqueue(formOf(frame, deltas.isInStep(client))));
  } else {
    client.outbox.enqueue(frame.tagged !== undefined && tagged?.has(client) ? frame.tagged : frame);
  }
}

function sendToEach<Data>(
  group: Group<HubClient<Data>>,
  frame: Frame,
  except: ReadonlySet<string> | undefined,
): number {
  let offered = 0;
  for (const client of group.values()) {
    if (except !== undefined && except.has(client.id)) {
      group.deltas?.got(client, false);
      continue;
    }
    offered++;
    sendTo(group, client, frame);
  }
  return offered;
}
