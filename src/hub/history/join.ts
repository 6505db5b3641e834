import { CloseCode } from "../../base/close-code.ts";
import { MeshError } from "../../base/error.ts";
import type { Limits } from "../../base/limits.ts";
import type { Clients } from "../../client/clients.ts";
import type { HubClient } from "../../client/hub-client.ts";
import type { HistoryWindow } from "../../history/history.ts";
import { Frame } from "../../send/frame.ts";
import type { Position } from "../../send/position.ts";
import type { From, Recovery } from "../../send/verbs.ts";
import { gapLine } from "../../wire/topics.ts";
import type { Feed } from "./feed.ts";
import type { ReplayPace } from "./replay-pace.ts";
import type { FramePage, PageSlice } from "./frame-page.ts";
import type { Pages } from "./pages.ts";

/**
 * One client that begins to listen on a topic from an earlier place.
 *
 * While it reads pages from the store, live messages are kept in the tail of the feed. Once it has read up to a place from which the tail
 * goes on, it gets the rest and listens, in one step: so nothing is missing between them, and nothing comes twice.
 */
export class Join<Data> {
  readonly #client: HubClient<Data>;
  readonly #feed: Feed<Data>;
  readonly #deps: JoinDependencies<Data>;
  /** Of the client's present attempt. */
  readonly #mark: object;
  #messages = 0;
  #recovered = true;

  constructor(client: HubClient<Data>, feed: Feed<Data>, mark: object, deps: JoinDependencies<Data>) {
    this.#client = client;
    this.#feed = feed;
    this.#deps = deps;
    this.#mark = mark;
  }

  /** Rejects with `canceled` if the client leaves the topic meanwhile, and with `unavailable` if the store fails. */
  async run(from: From): Promise<Recovery> {
    const end = this.#feed.tail.use();
    try {
      this.#check();
      await this.#feed.attached();
      let at = await this.#replayFrom(from);
      for (;;) {
        await this.#feed.reach(at);
        this.#check();
        const rest = this.#feed.tail.since(at);
        if (rest) return this.#listen(rest);
        at = await this.#replay(at, await this.#deps.pages.fresh(this.#feed.topic, at));
      }
    } finally {
      end();
    }
  }

  /** Sends what there is after `from`; returns the place where that ends. */
  async #replayFrom(from: From): Promise<Position> {
    const { pages } = this.#deps;
    const { topic } = this.#feed;
    if ("epoch" in from) {
      const { at } = this.#feed;
      // A page that was read for others may have what the window dropped since.
      if (at?.epoch === from.epoch && at.offset - from.offset > this.#deps.window.messages) return this.#giveUp(at);
      return await this.#replay(from, await pages.after(topic, from));
    }
    const page = await pages.newest(topic, from);
    return await this.#replay({ epoch: page.end.epoch, offset: page.first - 1 }, page);
  }

  async #replay(from: Position, first: FramePage): Promise<Position> {
    let at = from;
    for (let page = first;; page = await this.#deps.pages.after(this.#feed.topic, at)) {
      const index = page.indexAfter(at);
      if (index === undefined) return this.#giveUp(page.end);
      if (index < page.frames.length) {
        await this.#send(page, index);
        at = page.frames.at(-1)?.place ?? at;
      }
      if (at.offset >= page.end.offset) return at;
    }
  }

  /** The client does not get everything, and goes on after this place. It hears that before the next message. */
  #giveUp(place: Position): Position {
    this.#recovered = false;
    if (this.#isTagged) this.#client.outbox.enqueue(Frame.control(gapLine(this.#feed.topic, place)));
    return place;
  }

  /** Sends the frames of a page from an index on, at the pace of the client and of the node. */
  async #send(page: FramePage, index: number): Promise<void> {
    const { clients, limits, pace } = this.#deps;
    for (let from = index; from < page.frames.length;) {
      await this.#untilRead();
      const slice = page.slice(from, Math.min(SLICE_BYTES, limits.maxBufferedBytes / 4));
      await pace.take(slice.bytes);
      try {
        this.#check();
        this.#enqueueSlice(slice);
        await clients.written();
      } finally {
        pace.give(slice.bytes);
      }
      from = slice.to;
    }
  }

  #enqueueSlice(slice: PageSlice): void {
    const { topic } = this.#feed;
    const { clients } = this.#deps;
    const { outbox } = this.#client;
    // Before it is tagged: that form of it is compressed as it is.
    const burst = slice.burst(this.#isTagged ? topic : undefined, (frame) => clients.mark(topic, frame));
    outbox.catchUp();
    if (burst) outbox.enqueueBurst(burst);
    this.#messages += slice.frames.length;
  }

  /** Waits until the client has read most of what it was sent. A client that reads nothing for long is closed as too slow. */
  async #untilRead(): Promise<void> {
    let least = Infinity;
    let sinceMs = performance.now();
    for (let bytes = this.#client.bufferedAmount; bytes > SLICE_BYTES / 2; bytes = this.#client.bufferedAmount) {
      this.#check();
      // They are held for a client that is away, as far as there is room.
      if (this.#client.away) return;
      if (bytes < least) [least, sinceMs] = [bytes, performance.now()];
      if (performance.now() - sinceMs > MAX_STALL_MS) this.#client.close(CloseCode.SlowConsumer, "reads too slowly");
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** The client gets the rest, and every message after it. */
  #listen(rest: readonly Frame[]): Recovery {
    this.#enqueue(rest);
    this.#check();
    const { topic, at } = this.#feed;
    const { topics } = this.#deps.clients;
    topics.add(topic, this.#client);
    if (this.#isTagged) topics.tag(topic, this.#client, true);
    return { recovered: this.#recovered, position: at ?? { epoch: "", offset: 0 }, messages: this.#messages };
  }

  #enqueue(frames: readonly Frame[]): void {
    const tagged = this.#isTagged;
    for (const frame of frames) {
      this.#deps.clients.mark(this.#feed.topic, frame);
      this.#client.outbox.enqueue(tagged ? frame.tag(this.#feed.topic) : frame);
    }
    this.#messages += frames.length;
  }

  /** Whether the client asked for it itself, so that it gets messages with their topic and place. */
  get #isTagged(): boolean {
    return this.#client.tagged?.has(this.#feed.topic) === true;
  }

  /** Throws if the client does not wait any more. */
  #check(): void {
    const waits = this.#deps.clients.topics.waits(this.#feed.topic, this.#client, this.#mark);
    if (waits && !this.#feed.closed) return;
    throw new MeshError("canceled", "the client left the topic before it had caught up");
  }
}

/** Dependencies of {@link Join}. */
export interface JoinDependencies<Data> {
  readonly clients: Clients<Data>;
  readonly pages: Pages;
  readonly pace: ReplayPace;
  /** How much of the topic is kept. */
  readonly window: HistoryWindow;
  readonly limits: Readonly<Limits>;
}

/** Bytes that one client gets at once. */
const SLICE_BYTES = 262_144;
/** Milliseconds in which a client must read some of them. */
const MAX_STALL_MS = 10_000;
const POLL_MS = 5;
