import { BoundedMap } from "../../base/bounded-map.ts";
import { unref } from "../../base/tick.ts";
import type { From, HistoryQuery, HistoryStore } from "../../history/history.ts";
import type { Position } from "../../send/position.ts";
import { frameOf } from "./feed.ts";
import { FramePage } from "./frame-page.ts";

/**
 * Pages of topics as frames, read from the store for many clients at once.
 *
 * Clients that ask for the same page share one read and its frames for {@link SHARED_MS}. Positions are rounded down, so that
 * clients at different places of a topic ask for the same pages.
 */
export class Pages {
  readonly #store: HistoryStore;
  readonly #shared = new BoundedMap<string, Promise<FramePage>>(MAX_SHARED);
  #reading = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(store: HistoryStore) {
    this.#store = store;
  }

  /** The page after a place. */
  async after(topic: string, place: Position): Promise<FramePage> {
    const shared = await this.#sharedAfter(topic, place);
    // The read may have begun before the message that the client has.
    if (shared.end.epoch !== place.epoch || shared.end.offset >= place.offset) return shared;
    return await this.#read(topic, { from: place });
  }

  #sharedAfter(topic: string, { epoch, offset }: Position): Promise<FramePage> {
    const start = offset - offset % PAGE_MESSAGES;
    return this.#share(topic, { from: { epoch, offset: start }, to: start + PAGE_MESSAGES });
  }

  /** The first page of the newest messages: so many, or those of the last milliseconds. */
  newest(topic: string, from: Exclude<From, Position>): Promise<FramePage> {
    return this.#share(topic, { from });
  }

  /** The page after a place, read now. */
  fresh(topic: string, from: Position): Promise<FramePage> {
    return this.#read(topic, { from, limit: PAGE_MESSAGES });
  }

  #share(topic: string, query: HistoryQuery): Promise<FramePage> {
    const key = `${topic}\n${JSON.stringify(query)}`;
    const known = this.#shared.get(key);
    if (known) return known;
    const page = this.#read(topic, query);
    this.#shared.set(key, page);
    const forget = (): void => {
      if (this.#shared.get(key) === page) this.#shared.delete(key);
    };
    page.then(() => unref(setTimeout(forget, SHARED_MS)), forget);
    return page;
  }

  async #read(topic: string, query: HistoryQuery): Promise<FramePage> {
    if (this.#reading >= MAX_READS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#reading++;
    try {
      const { end, messages } = await this.#store.read(topic, query);
      return new FramePage(end, messages.map((message) => frameOf(message, end.epoch)));
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#reading--;
    }
  }
}

/** Messages of a page; a page of long ones has fewer. */
const PAGE_MESSAGES = 256;
/** Milliseconds for which a page is given to others that ask for it. */
const SHARED_MS = 250;
/** Pages that are shared at once, each of at most a megabyte; over it the oldest is read again for the next client. */
const MAX_SHARED = 64;
/** Reads under way at once; more wait for their turn. */
const MAX_READS = 16;
