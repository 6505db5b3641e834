const LIMIT_MS = 8_000;

/** A queue of what happened, in order: each `next` takes one event, and waits for it if need be. */
export class Events<Event> {
  readonly #what: string;
  readonly #happened: Event[] = [];
  readonly #asking: ((event: Event) => void)[] = [];

  /** `what` names an event in the error of a `next` that waited in vain. */
  constructor(what: string) {
    this.#what = what;
  }

  add(event: Event): void {
    const ask = this.#asking.shift();
    if (ask) ask(event);
    else this.#happened.push(event);
  }

  /** The next event; rejects after 8 seconds without one. */
  next(): Promise<Event> {
    const event = this.#happened.shift();
    if (event !== undefined) return Promise.resolve(event);
    return within(this.#what, new Promise<Event>((resolve) => this.#asking.push(resolve)));
  }

  /** The events that no `next` has taken yet. */
  get waiting(): readonly Event[] {
    return this.#happened;
  }
}

/** The promise, or a rejection that names what did not come within `limitMs`, by default 8 seconds. */
export async function within<Value>(what: string, promise: Promise<Value>, limitMs: number = LIMIT_MS): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
