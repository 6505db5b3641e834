import { errorCode, invalidArgument, MeshError, type MeshErrorCode } from "../src/base/error.ts";
import {
  type Place,
  type Published as Delivery,
  publishLine,
  type Subscribed,
  subscribeLine,
  unsubscribeLine,
} from "../src/wire/topics.ts";
import type { Parts, Payload } from "../src/wire/v1.ts";
import { type CallOptions, type Calls, type Sendable } from "./calls.ts";
import { delayBefore, MAX_TIMER_MS, type Settings } from "./options.ts";
import type { Pending } from "./events.ts";
import { readStream, type ReadStreamOptions } from "./stream.ts";
import { type SubscribeFrom, type SubscribeOptions, Subscription } from "./subscription.ts";

/** Subscriptions to topics, and messages to them. A page loads this file when it asks for the first. */
export class Topics {
  readonly #client: TopicsClient;
  readonly #topics = new Map<string, Topic>();
  /** By topic: settles when no message of an earlier subscription can come any more. */
  readonly #leaving = new Map<string, Promise<void>>();

  constructor(client: TopicsClient) {
    this.#client = client;
  }

  /** Bytes of messages that may wait to be read, unless a call says otherwise. */
  get maxBytes(): number {
    return this.#client.settings.maxBytes;
  }

  /** The reader of a stream. */
  stream(name: string, options: ReadStreamOptions): AsyncGenerator<Pending, undefined> {
    return readStream(this, name, options);
  }

  /** Resolves with a subscription when it holds: no message that is published from then on is missed. `stream`: to a stream. */
  async subscribe(name: string, options: SubscribeOptions, stream = false): Promise<Subscription> {
    checkCall(name, options, "signal timeoutMs maxBytes from");
    this.#client.check();
    const { signal, timeoutMs = this.#client.settings.timeoutMs, maxBytes = this.#client.settings.maxBytes } = options;
    signal?.throwIfAborted();
    const { positions } = this.#client.settings;
    const topic = this.#topics.get(name) ?? this.#open(name, options.from ?? saved(positions, name), stream);
    const onAbort = (): void => subscription.end(signal?.reason);
    const subscription = new Subscription(name, maxBytes, (error) => {
      signal?.removeEventListener("abort", onAbort);
      topic.remove(subscription, error);
    });
    signal?.addEventListener("abort", onAbort);
    const late = (): void => subscription.end(new MeshError("deadline_exceeded", "no answer in time"));
    const timer = setTimeout(late, Math.min(timeoutMs, MAX_TIMER_MS));
    await topic.add(subscription, options.from).finally(() => clearTimeout(timer));
    return subscription;
  }

  #open(name: string, from: SubscribeFrom | undefined, stream: boolean): Topic {
    const topic = new Topic(name, this.#client, from, stream, this.#leaving.get(name), (left) => {
      this.#topics.delete(name);
      if (!left) return;
      this.#leaving.set(name, left);
      void left.then(() => this.#leaving.get(name) === left && this.#leaving.delete(name));
    });
    this.#topics.set(name, topic);
    return topic;
  }

  /** Resolves with how many clients got the message. */
  async publish(topic: string, message: Sendable, options: PublishOptions): Promise<Delivery> {
    checkCall(topic, options, "signal timeoutMs key");
    return await this.#client.ask<Delivery>(options, (number) => publishLine(number, topic, options.key), message);
  }

  /** Obeys a line of the server; false if it is none of these. */
  read({ form, number, json, payload }: Parts): boolean {
    const topic = this.#topics.get(String(json["topic"]));
    switch (form) {
      case "subscribed#{":
      case "published#{":
        this.#client.calls.settle(number, json);
        return true;
      case "message{+":
        topic?.message(json, payload);
        return true;
      case "gap{":
        topic?.gap(json);
        return true;
      case "unsubscribed{":
        topic?.end(new MeshError("permission_denied", "the server ended the subscription"), true);
        return true;
      default:
        return false;
    }
  }

  /** There is a new client: subscribes again, before anything else is sent. */
  lost(): void {
    for (const topic of this.#topics.values()) topic.restore();
  }

  /** The connection is closed for good. */
  end(error: MeshError | undefined): void {
    for (const topic of [...this.#topics.values()]) topic.end(error, false);
  }
}

/** One topic, with all subscriptions of the page to it. */
class Topic {
  readonly #name: string;
  readonly #client: TopicsClient;
  readonly #leave: (left?: Promise<void>) => void;
  /** Messages that come before this settled are of an earlier subscription, of which the page has left. */
  #after: Promise<void> | undefined;
  /** Each with its call to settle, or undefined once it holds. */
  readonly #subscriptions = new Map<Subscription, Opening | undefined>();
  /** Counts attempts, so that an answer to an earlier one is noticed. */
  #attempt = 0;
  #holds = false;
  /** It held once: what was published since may be missing. */
  #restoring = false;
  /** Where to go on in the topic's history, if it has one. */
  #place: SubscribeFrom | undefined;
  /** The place is to be saved. */
  #saves = false;
  #tells = true;
  readonly #stream: boolean;

  /** `leave` is called at the end, with when the server has ended it too. */
  constructor(
    name: string,
    client: TopicsClient,
    from: SubscribeFrom | undefined,
    stream: boolean,
    after: Promise<void> | undefined,
    leave: (left?: Promise<void>) => void,
  ) {
    this.#stream = stream;
    this.#after = after;
    this.#name = name;
    this.#client = client;
    this.#place = from;
    this.#leave = leave;
  }

  /** Settles when the subscription holds, or has ended before. */
  add(subscription: Subscription, from: SubscribeFrom | undefined): Promise<void> {
    // The others have what this one asks for.
    if (from && this.#attempt > 0) subscription.recovered = false;
    return new Promise((resolve, reject) => {
      this.#subscriptions.set(subscription, this.#holds ? undefined : { resolve, reject });
      if (this.#holds) resolve();
      else if (this.#attempt === 0) void this.#ask();
    });
  }

  /** A subscription ended; the last one ends that at the server. */
  remove(subscription: Subscription, error: unknown): void {
    this.#subscriptions.get(subscription)?.reject(error);
    this.#subscriptions.delete(subscription);
    if (this.#subscriptions.size > 0) return;
    this.#attempt++;
    if (!this.#tells) return this.#leave();
    const { reply } = this.#client.calls.request((number) => unsubscribeLine(number, this.#name));
    this.#leave(reply.then(() => {}, () => {}));
  }

  message({ epoch, offset }: Place, data: Payload): void {
    if (this.#after) return;
    this.#goTo(epoch, offset);
    const publication = { topic: this.#name, data: data as Pending, epoch, offset };
    for (const subscription of this.#subscriptions.keys()) subscription.push(publication);
  }

  /** Messages before this place may be missing. */
  gap({ epoch, offset }: Place): void {
    if (this.#after) return;
    this.#goTo(epoch, offset);
    for (const subscription of this.#subscriptions.keys()) subscription.recovered = false;
  }

  /** Everything up to here came; what comes later starts after it. */
  #goTo(epoch: string | undefined, offset = 0): void {
    if (epoch === undefined) return;
    this.#place = { epoch, offset };
    const { positions } = this.#client.settings;
    if (!positions || this.#saves || this.#stream) return;
    this.#saves = true;
    setTimeout(() => {
      this.#saves = false;
      try {
        positions.setItem(PREFIX + this.#name, JSON.stringify(this.#place));
      } catch (error) {
        console.error("meshsocket: could not save a position", error);
      }
    });
  }

  restore(): void {
    this.#restoring ||= this.#holds;
    this.#holds = false;
    this.#after = undefined;
    void this.#ask();
  }

  /** Ends all subscriptions; `tells` the server if it may have one. */
  end(error: unknown, tells: boolean): void {
    this.#attempt++;
    this.#tells = tells;
    for (const subscription of [...this.#subscriptions.keys()]) subscription.end(error);
  }

  /** Asks the server until it agrees, or refuses. */
  async #ask(): Promise<void> {
    const attempt = ++this.#attempt;
    if (this.#after) await this.#after;
    this.#after = undefined;
    for (let tries = 0; attempt === this.#attempt; tries++) {
      const line = (number: number): string => subscribeLine(number, this.#name, this.#place, this.#stream);
      const answer = await this.#client.calls.request<Subscribed>(line).reply.catch((error: unknown) => ({ error }));
      if (attempt !== this.#attempt) return;
      if (!("error" in answer)) return this.#hold(answer);
      const code = errorCode(answer.error);
      // The client moved to another node before the answer.
      if (code === "unknown" && tries === 0) continue;
      if (!this.#restoring || code === undefined || !PASSING.has(code)) return this.end(answer.error, false);
      await new Promise((resolve) => setTimeout(resolve, delayBefore(tries, this.#client.settings)));
    }
  }

  #hold({ recovered = !this.#restoring, epoch, offset }: Subscribed): void {
    this.#holds = true;
    // A message may have come before the answer.
    const { epoch: known, offset: at = 0 } = (this.#place ?? {}) as Place;
    if (epoch !== known || (offset ?? 0) > at) this.#goTo(epoch, offset);
    for (const [subscription, opening] of this.#subscriptions) {
      subscription.recovered &&= recovered;
      this.#subscriptions.set(subscription, undefined);
      opening?.resolve();
    }
  }
}

/** Throws a TypeError (`invalid_argument`) for a topic that is not a string, and for options that do not exist. */
function checkCall(topic: unknown, options: object, names: string): void {
  if (typeof topic !== "string") throw invalidArgument(`the topic must be a string, not ${typeof topic}`);
  for (const name of Object.keys(options)) {
    if (!names.split(" ").includes(name)) throw invalidArgument(`unknown option "${name}": there are ${names}`);
  }
}

const PREFIX = "meshsocket:";

/** The place where the page was before it was loaded again. */
function saved(positions: Settings["positions"], topic: string): SubscribeFrom | undefined {
  try {
    return (JSON.parse(positions?.getItem(PREFIX + topic) ?? "null") as SubscribeFrom | null) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Codes with which a subscription that held before is tried again. */
const PASSING: ReadonlySet<MeshErrorCode> = new Set([
  "unavailable",
  "deadline_exceeded",
  "unknown",
  "resource_exhausted",
]);

export type { Delivery };

/** {@link CallOptions} for a message to a topic. */
export interface PublishOptions extends CallOptions {
  /** Publishes a message with the same key once, if the topic has a history. */
  key?: string;
}

interface Opening {
  resolve(): void;
  reject(error: unknown): void;
}

/** The client of {@link Topics}. */
export interface TopicsClient {
  readonly calls: Calls;
  readonly settings: Settings;
  /** Throws if the server cannot be called. */
  check(): void;
  /** Calls the server within a time. */
  ask<Reply>(options: CallOptions, line: (number: number) => string, message: Sendable): Promise<Reply>;
}
