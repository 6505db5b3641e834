import { MeshError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { Clients } from "../client/clients.ts";
import type { Tapped, TapPoint } from "../client/watch/tapped.ts";
import type { Frame } from "../send/frame.ts";
import type { FlightRecord, FlightRecorder } from "./flight-recorder.ts";
import type { Tap } from "./tap.ts";

/**
 * The taps of one node: each sees the messages of one client or of one topic.
 *
 * While there are none, clients and publishes pay one comparison with `undefined`. A tap sees at most so many messages a
 * second, keeps at most so many that were not fetched, and counts those that it left out.
 */
export class Taps<Data> implements TapPoint {
  readonly #node: TappedNode<Data>;
  readonly #byId = new Map<string, TappedClient>();
  readonly #byTopic = new Map<string, Set<Tap>>();
  #size = 0;

  constructor(node: TappedNode<Data>) {
    this.#node = node;
  }

  /** How many taps there are. */
  get size(): number {
    return this.#size;
  }

  /** Starts a tap. Throws `resource_exhausted` for one too many, and `invalid_argument` for one of nothing. */
  add(tap: Tap): void {
    const { host, request: { subject } } = tap;
    if (subject.case === undefined) throw new MeshError("invalid_argument", "a tap needs an id or a topic");
    const { maxTaps } = this.#node.limits;
    if (this.#size >= maxTaps) {
      throw new MeshError("resource_exhausted", `${maxTaps} taps run on ${host}: end one, or raise limits.maxTaps`);
    }
    this.#size++;
    if (subject.case === "id") this.#tapClient(subject.value, tap);
    else setOf(this.#byTopic, subject.value).add(tap);
    this.#node.clients.taps = this;
    this.#node.recorder.listener = (record) => this.#recorded(record);
  }

  #tapClient(id: string, tap: Tap): void {
    let tapped = this.#byId.get(id);
    if (!tapped) this.#byId.set(id, tapped = new TappedClient(id));
    tapped.taps.add(tap);
    const client = this.#node.clients.get(id);
    if (client) client.tap = tapped;
  }

  /** Ends a tap. To be called again does nothing. */
  end(tap: Tap): void {
    if (tap.ended) return;
    tap.end();
    this.#size--;
    const { subject } = tap.request;
    if (subject.case === "id") this.#untapClient(subject.value, tap);
    else if (subject.case === "topic") {
      const taps = this.#byTopic.get(subject.value);
      if (taps?.delete(tap) && taps.size === 0) this.#byTopic.delete(subject.value);
    }
    if (this.#size > 0) return;
    this.#node.clients.taps = undefined;
    this.#node.recorder.listener = undefined;
  }

  #untapClient(id: string, tap: Tap): void {
    const tapped = this.#byId.get(id);
    if (!tapped?.taps.delete(tap) || tapped.taps.size > 0) return;
    this.#byId.delete(id);
    const client = this.#node.clients.get(id);
    if (client) client.tap = undefined;
  }

  of(id: string): Tapped | undefined {
    return this.#byId.get(id);
  }

  published(topic: string, frame: Frame, offered: number): void {
    for (const tap of this.#byTopic.get(topic) ?? []) {
      tap.published(frame, topic, offered);
    }
  }

  #recorded({ kind, id, topic, text, code }: FlightRecord): void {
    const taps = id === "" ? this.#byTopic.get(topic) : this.#byId.get(id)?.taps;
    for (const tap of taps ?? []) tap.push({ kind, id, topic, text: code === 0 ? text : `${code} ${text}` });
  }
}

/** One client that is tapped, whether it is connected or not. */
class TappedClient implements Tapped {
  readonly taps: Set<Tap> = new Set();
  readonly #id: string;

  constructor(id: string) {
    this.#id = id;
  }

  sent(frames: readonly Frame[]): void {
    for (const tap of this.taps) tap.sent(frames, this.#id);
  }

  received(data: string | Uint8Array): void {
    for (const tap of this.taps) tap.received(data, this.#id);
  }
}

function setOf<Key, Value>(map: Map<Key, Set<Value>>, key: Key): Set<Value> {
  let set = map.get(key);
  if (!set) map.set(key, set = new Set());
  return set;
}

/** Dependencies of {@link Taps}: a node of a cluster. */
export interface TappedNode<Data> {
  readonly clients: Clients<Data>;
  readonly recorder: FlightRecorder;
  readonly limits: Readonly<Limits>;
}
