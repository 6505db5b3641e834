import type { Payload } from "../../wire/v1.ts";
import type { HistoryStore } from "../../history/history.ts";
import type { Position } from "../../send/position.ts";

/** A part of this node that listens on a topic with history: each message once and in order. */
export interface Ear {
  /** Whether it hears what is kept before what is live. */
  readonly hearsKept: boolean;
  /** A message of the topic. */
  message(data: Payload): void;
  /** Messages before the next one are not known. */
  gap(): void;
  /** Kept messages are over: those that come now are live. */
  live(): void;
  /** The hub is closed. */
  closed(): void;
}

/** Keeps what is live until the ear has heard what was kept. */
export class LateEar implements Ear {
  readonly hearsKept = true;
  readonly #ear: Ear;
  #waiting: (() => void)[] | undefined = [];

  constructor(ear: Ear) {
    this.#ear = ear;
  }

  message(data: Payload): void {
    this.#do(() => this.#ear.message(data));
  }

  gap(): void {
    this.#do(() => this.#ear.gap());
  }

  closed(): void {
    this.#do(() => this.#ear.closed());
  }

  /** The ear hears what has come meanwhile, and from now on each message at once. */
  live(): void {
    for (const say of this.#waiting ?? []) say();
    this.#waiting = undefined;
    this.#ear.live();
  }

  #do(say: () => void): void {
    if (this.#waiting) this.#waiting.push(say);
    else say();
  }
}

/** Reads what a topic keeps, up to a place, into an ear. Rejects if the store fails. */
export async function hearKept(store: HistoryStore, topic: string, to: Position, ear: Ear): Promise<void> {
  let from: Position | undefined;
  for (;;) {
    const { end, messages, more, recovered } = await store.read(topic, from ? { from } : {});
    if (end.epoch !== to.epoch) return;
    // The window dropped some since the page before.
    if (!recovered) ear.gap();
    for (const { offset, data } of messages) if (offset <= to.offset) ear.message(data);
    const last = messages.at(-1)?.offset ?? to.offset;
    if (!more || last >= to.offset) return;
    from = { epoch: end.epoch, offset: last };
  }
}
