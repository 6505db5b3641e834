import { isOwnTopic } from "../base/check/topic.ts";
import type { Frame } from "../send/frame.ts";
import type { HubClient } from "./hub-client.ts";
import type { Deltas } from "./delta/deltas.ts";
import type { Newest, SlowClient, SlowReaders } from "./slow/newest.ts";

/** Is told of every client of this node that starts or stops listening on a topic, or that has another info there. */
export interface TopicObserver {
  /** The client listens now, or its info changed. */
  joined(member: Listener): void;
  left(member: Listener): void;
}

/** A client as an observer sees it. */
export type Listener = Pick<HubClient, "id" | "info" | "user" | "replaced">;

/** The clients of this node that listen on one topic. */
export class Listeners<Member extends SlowClient> extends Set<Member> {
  /** Those that subscribed themselves: they get messages with their topic. Undefined as long as there were none. */
  tagged: Set<Member> | undefined = undefined;
  /** The newest message for those that read slowly; undefined if they get every message. */
  newest: Newest<Member> | undefined = undefined;
  /** Those that get deltas; undefined if the topic has none. */
  deltas: Deltas<Member> | undefined = undefined;
}

/** Which clients of this node listen on which topic. */
export class TopicIndex<Data> {
  /** Undefined if slow clients get every message of all topics. */
  #slow: SlowReaders<HubClient<Data>> | undefined = undefined;
  /** Undefined if no topic has deltas. */
  #deltasOf: ((topic: string) => Deltas<HubClient<Data>> | undefined) | undefined = undefined;
  readonly #beforeChange: (listeners: Listeners<HubClient<Data>>) => void;
  readonly #byTopic = new Map<string, Listeners<HubClient<Data>>>();
  /** How many of them are the library's own. */
  #ownTopics = 0;
  /** Clients that are caught up before they listen, each with a mark of the present attempt. */
  readonly #waiting = new Map<string, Map<HubClient<Data>, object>>();
  readonly #observers = new Map<string, Set<TopicObserver>>();
  /** How many parts of this node listen on a topic besides clients. */
  readonly #held = new Map<string, number>();

  /** `beforeChange` is called before a topic's listeners change. */
  constructor(beforeChange: (listeners: Listeners<HubClient<Data>>) => void) {
    this.#beforeChange = beforeChange;
  }

  /** Tells the observer of every change from now on; returns the function that removes it. */
  observe(topic: string, observer: TopicObserver): () => void {
    let observers = this.#observers.get(topic);
    if (!observers) this.#observers.set(topic, observers = new Set());
    observers.add(observer);
    return () => {
      if (observers.delete(observer) && observers.size === 0) this.#observers.delete(topic);
    };
  }

  /** The topics that have listeners, without the library's own. */
  *names(): Iterable<string> {
    for (const topic of this.#byTopic.keys()) if (!isOwnTopic(topic)) yield topic;
  }

  /** How many topics have listeners, without the library's own. */
  get size(): number {
    return this.#byTopic.size - this.#ownTopics;
  }

  listeners(topic: string): Listeners<HubClient<Data>> | undefined {
    return this.#byTopic.get(topic);
  }

  /** Whether a client of this node listens on the topic, or waits to, or a part of this node listens. */
  has(topic: string): boolean {
    return this.#byTopic.has(topic) || this.#waiting.has(topic) || this.#held.has(topic);
  }

  /** A part of this node listens on the topic. */
  hold(topic: string): void {
    this.#held.set(topic, (this.#held.get(topic) ?? 0) + 1);
  }

  /** Ends what {@link hold} began; true when the topic has no listener on this node any more. */
  unhold(topic: string): boolean {
    const left = (this.#held.get(topic) ?? 1) - 1;
    if (left > 0) this.#held.set(topic, left);
    else this.#held.delete(topic);
    return !this.has(topic);
  }

  /** The topic is one of the client's, which does not listen before {@link add}. Returns the mark of this attempt. */
  wait(topic: string, client: HubClient<Data>): object {
    const mark = {};
    let waiting = this.#waiting.get(topic);
    if (!waiting) this.#waiting.set(topic, waiting = new Map<HubClient<Data>, object>());
    waiting.set(client, mark);
    (client.topicSet ??= new Set()).add(topic);
    return mark;
  }

  /** Whether the client still waits since the attempt with this mark began. */
  waits(topic: string, client: HubClient<Data>, mark: object): boolean {
    return this.#waiting.get(topic)?.get(client) === mark;
  }

  #unwait(topic: string, client: HubClient<Data>): boolean {
    const waiting = this.#waiting.get(topic);
    if (!waiting?.delete(client)) return false;
    if (waiting.size === 0) this.#waiting.delete(topic);
    return true;
  }

  /** Adds a listener. */
  add(topic: string, client: HubClient<Data>): void {
    this.#unwait(topic, client);
    let listeners = this.#byTopic.get(topic);
    if (!listeners) this.#byTopic.set(topic, listeners = this.#begin(topic));
    if (listeners.has(client)) return;
    this.#beforeChange(listeners);
    listeners.add(client);
    for (const observer of this.#observers.get(topic) ?? []) observer.joined(client);
    if (!isOwnTopic(topic)) (client.topicSet ??= new Set()).add(topic);
  }

  #begin(topic: string): Listeners<HubClient<Data>> {
    if (isOwnTopic(topic)) this.#ownTopics++;
    const listeners = new Listeners<HubClient<Data>>();
    this.#spare(topic, listeners);
    listeners.deltas = this.#deltasOf?.(topic);
    return listeners;
  }

  /** Whether slow clients get only the newest message of a topic. */
  isLatest(topic: string): boolean {
    return this.#slow?.isLatest(topic) === true;
  }

  /** Some topics have deltas from now on. */
  deltas(of: (topic: string) => Deltas<HubClient<Data>> | undefined): void {
    this.#deltasOf = of;
    for (const [topic, listeners] of this.#byTopic) listeners.deltas = of(topic);
  }

  /** Gives a listener that gets messages tagged their deltas from now on; false if the topic has none. */
  giveDeltas(topic: string, client: HubClient<Data>): boolean {
    const listeners = this.#byTopic.get(topic);
    if (!listeners?.deltas || listeners.tagged?.has(client) !== true) return false;
    listeners.deltas.add(client);
    return true;
  }

  /** Whether a listener gets deltas. */
  hasDeltas(topic: string, client: HubClient<Data>): boolean {
    return this.#byTopic.get(topic)?.deltas?.has(client) === true;
  }

  /** Of some topics slow clients get only the newest message from now on. */
  spare(slow: SlowReaders<HubClient<Data>>): void {
    this.#slow = slow;
    for (const [topic, listeners] of this.#byTopic) this.#spare(topic, listeners);
  }

  #spare(topic: string, listeners: Listeners<HubClient<Data>>): void {
    listeners.newest = this.#slow?.of(topic, (client) => listeners.tagged?.has(client) === true);
  }

  /** The messages that wait until a client has read, as it is to get them, and wait no more. */
  takeWaiting(client: HubClient<Data>): Frame[] {
    if (this.#slow === undefined) return [];
    // A newer message of this tick takes the place of the one that waits.
    client.outbox.catchUp();
    return [...client.topics].flatMap((topic) => this.#byTopic.get(topic)?.newest?.take(client) ?? []);
  }

  /** The client's info changed: tells the observers of its topics. */
  infoChanged(client: HubClient<Data>): void {
    if (this.#observers.size === 0) return;
    for (const topic of client.topics) {
      if (!this.#byTopic.get(topic)?.has(client)) continue;
      for (const observer of this.#observers.get(topic) ?? []) observer.joined(client);
    }
  }

  /** A listener gets the topic's messages tagged from now on, or not any more. */
  tag(topic: string, client: HubClient<Data>, tagged: boolean): void {
    const listeners = this.#byTopic.get(topic);
    if (!listeners?.has(client) || listeners.tagged?.has(client) === tagged) return;
    this.#beforeChange(listeners);
    if (tagged) (listeners.tagged ??= new Set()).add(client);
    else {
      listeners.tagged?.delete(client);
      listeners.deltas?.delete(client);
    }
  }

  /** Removes a listener, or one that waits to be; true when it was the topic's last on this node. */
  delete(topic: string, client: HubClient<Data>): boolean {
    client.topicSet?.delete(topic);
    client.tagged?.delete(topic);
    if (this.#unwait(topic, client)) return !this.has(topic);
    const listeners = this.#byTopic.get(topic);
    if (!listeners?.has(client)) return false;
    this.#beforeChange(listeners);
    listeners.delete(client);
    listeners.tagged?.delete(client);
    listeners.newest?.forget(client);
    listeners.deltas?.delete(client);
    for (const observer of this.#observers.get(topic) ?? []) observer.left(client);
    if (listeners.size > 0) return false;
    this.#byTopic.delete(topic);
    if (isOwnTopic(topic)) this.#ownTopics--;
    return !this.has(topic);
  }
}
