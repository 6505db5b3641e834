import { randomId } from "../base/random-id.ts";

/**
 * The name of the line of one link: a random name, and how often its numbers started again.
 *
 * The receiver takes nothing of a count that it has seen passed.
 */
export class LineName {
  readonly #link = randomId();
  #count = 0;

  get text(): string {
    return `${this.#link}:${this.#count}`;
  }

  /** The numbers start again. */
  renew(): void {
    this.#count++;
  }
}

/** The parts of a {@link LineName}'s text. A name without a count is the first of its kind. */
export function parseLineName(text: string): { link: string; count: number } {
  const [, link = text, count = "0"] = /^(.*):(\d{1,15})$/s.exec(text) ?? [];
  return { link, count: Number(count) };
}
