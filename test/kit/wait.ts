const LIMIT_MS = 8_000;

/** The promise, or a rejection that names what did not come in time. */
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

/** Things that happened, in order, for who comes to ask: each `next` takes one and waits for it if need be. */
export class Events<Event> {
  readonly #what: string;
  readonly #happened: Event[] = [];
  readonly #asking: ((event: Event) => void)[] = [];

  constructor(what: string) {
    this.#what = what;
  }

  add(event: Event): void {
    const ask = this.#asking.shift();
    if (ask) ask(event);
    else this.#happened.push(event);
  }

  next(): Promise<Event> {
    const event = this.#happened.shift();
    if (event !== undefined) return Promise.resolve(event);
    return within(this.#what, new Promise<Event>((resolve) => this.#asking.push(resolve)));
  }

  /** What nobody has asked for yet. */
  get waiting(): readonly Event[] {
    return this.#happened;
  }
}
