import { errorCode, invalidArgument, MeshError } from "../src/base/error.ts";
import {
  type Place,
  type Published as Delivery,
  publishLine,
  type Subscribed,
  type SubscribeFields,
  subscribeLine,
  unsubscribeLine,
} from "../src/wire/topics.ts";
import type { Parts, Payload } from "../src/wire/v1.ts";
import { type CallOptions, type Calls, type Sendable } from "./calls.ts";
import type { DeltaPlace, Whole } from "./delta.ts";
import { delayBefore, MAX_TIMER_MS, type Settings } from "./options.ts";
import type { Pending } from "./events.ts";
import { readStream, type ReadStreamOptions } from "./stream.ts";
import { type SubscribeFrom, type SubscribeOptions, Subscription } from "./subscription.ts";

/** Subscriptions to topics, and messages to them. A page loads this file when it asks for the first. */
export class Topics {
  readonly #client: TopicsClient;
  readonly #topics = new Map<string, Topic>();
  /** By topic: settles when no message of an earlier subscription can come any more. */
  readonly #leaving = new Map<string, Promise<unknown>>();

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
  async subscribe(name: string, options: SubscribeOptions, stream?: true): Promise<Subscription> {
    checkCall(name, options, "signal timeoutMs maxBytes from delta");
    this.#client.check();
    const { settings } = this.#client;
    const { signal, timeoutMs = settings.timeoutMs, maxBytes = settings.maxBytes } = options;
    const delta = options.delta ? new (await import("./delta.ts")).Whole() : undefined;
    signal?.throwIfAborted();
    const topic = this.#topics.get(name) ??
      this.#open({ topic: name, from: options.from ?? saved(settings.positions, name), stream, delta });
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

  #open(wish: Wish): Topic {
    const name = wish.topic;
    const topic = new Topic(this.#client, wish, this.#leaving.get(name), (left) => {
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
    const topic = this.#topics.get(json["topic"] as string);
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
  readonly #client: TopicsClient;
  readonly #leave: (left?: Promise<unknown>) => void;
  /** Messages that come before this settled are of an earlier subscription, of which the page has left. */
  #after: Promise<unknown> | undefined;
  /** Each with its call, which settles once. */
  readonly #subscriptions = new Map<Subscription, Opening>();
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
  readonly #wish: Wish;

  /** `leave` is called at the end, with when the server has ended it too. */
  constructor(
    client: TopicsClient,
    wish: Wish,
    after: Promise<unknown> | undefined,
    leave: (left?: Promise<unknown>) => void,
  ) {
    this.#wish = wish;
    this.#after = after;
    this.#client = client;
    this.#place = wish.from;
    this.#leave = leave;
  }

  /** Settles when the subscription holds, or has ended before. */
  add(subscription: Subscription, from: SubscribeFrom | undefined): Promise<void> {
    // The others have what this one asks for.
    if (from && this.#attempt > 0) subscription.recovered = false;
    return new Promise((resolve, reject) => {
      this.#subscriptions.set(subscription, { resolve, reject });
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
    this.#leave(this.#unsubscribe());
  }

  /** Settles when no message can come any more. */
  #unsubscribe(): Promise<unknown> {
    return this.#client.calls.request((number) => unsubscribeLine(number, this.#wish.topic)).reply.catch(() => {});
  }

  message(place: DeltaPlace, payload: Payload): void {
    if (this.#after) return;
    const data = this.#wish.delta ? this.#wish.delta.read(place, payload) : payload;
    // The message before it did not come: all after the last place come again.
    if (data === undefined) return this.restore(this.#unsubscribe());
    this.#goTo(place);
    const { epoch, offset } = place;
    const publication = { topic: this.#wish.topic, data: data as Pending, epoch, offset };
    for (const subscription of this.#subscriptions.keys()) subscription.push(publication);
  }

  /** Messages before this place may be missing. */
  gap(place: Place): void {
    if (this.#after) return;
    this.#goTo(place);
    for (const subscription of this.#subscriptions.keys()) subscription.recovered = false;
  }

  /** Everything up to here came; what comes later starts after it. */
  #goTo({ epoch, offset = 0 }: Place): void {
    if (epoch === undefined) return;
    this.#place = { epoch, offset };
    const { positions } = this.#client.settings;
    if (!positions || this.#saves || this.#wish.stream) return;
    this.#saves = true;
    setTimeout(() => {
      this.#saves = false;
      try {
        positions.setItem(PREFIX + this.#wish.topic, JSON.stringify(this.#place));
      } catch (error) {
        console.error("meshsocket: could not save a position", error);
      }
    });
  }

  /** Subscribes again, once messages of the subscription before cannot come any more. */
  restore(after?: Promise<unknown>): void {
    this.#restoring ||= this.#holds;
    this.#holds = false;
    this.#after = after;
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
      const line = (number: number): string => subscribeLine(number, { ...this.#wish, from: this.#place });
      const answer = await this.#client.calls.request<Subscribed>(line).reply.catch((error: unknown) => ({ error }));
      if (attempt !== this.#attempt) return;
      if (!("error" in answer)) return this.#hold(answer);
      const code = errorCode(answer.error);
      // The client moved to another node before the answer.
      if (code === "unknown" && tries === 0) continue;
      if (!this.#restoring || code === undefined || !PASSING.split(" ").includes(code)) {
        return this.end(answer.error, false);
      }
      await new Promise((resolve) => setTimeout(resolve, delayBefore(tries, this.#client.settings)));
    }
  }

  #hold(answer: Subscribed): void {
    this.#holds = true;
    const { recovered = !this.#restoring, epoch, offset = 0 } = answer;
    // A message may have come before the answer.
    const { epoch: known, offset: at = 0 } = (this.#place ?? {}) as Place;
    if (epoch !== known || offset > at) this.#goTo(answer);
    for (const [subscription, opening] of this.#subscriptions) {
      subscription.recovered &&= recovered;
      opening.resolve();
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
const PASSING = "unavailable deadline_exceeded unknown resource_exhausted";

export type { Delivery };

/** {@link CallOptions} for a message to a topic. */
export interface PublishOptions extends CallOptions {
  /** Publishes a message with the same key once, if the topic has a history. */
  key?: string;
}

/** How a topic is subscribed to. */
interface Wish extends SubscribeFields {
  readonly from: SubscribeFrom | undefined;
  /** Reads deltas, if the page asked for them. */
  readonly delta: Whole | undefined;
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
