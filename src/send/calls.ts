import {
  checkFlag,
  checkMs,
  checkObject,
  checkOptions,
  checkSignal,
  isPlain,
  kindOf,
  type OptionTable,
} from "../base/check/check.ts";
import { unknownOption } from "../base/check/unknown-option.ts";
import { errorCode, invalidArgument } from "../base/error.ts";
import { bump, Counters, type Tally } from "../base/counters/counters.ts";
import { Traces } from "../base/trace/tracing.ts";
import { settledWithin } from "./deadline.ts";
import type { EmitOptions, ListenOptions, SendOptions } from "./verbs.ts";

const NO_OPTIONS: SendOptions = {};

/**
 * The calls of a hub or of a DistClient: starts them, hears of each that rejects, and knows when those that have begun
 * have ended.
 *
 * Every promise that it returns has a handler, so a rejection that the application does not handle never ends the process.
 */
export class Calls {
  readonly traces: Traces;
  readonly #counters: Counters;
  readonly #failed: (error: unknown) => void;
  #begun: Begun;

  /** `failed` hears of every call that rejects. */
  constructor(failed: (error: unknown) => void, counters: Counters = new Counters(), traces: Traces = new Traces()) {
    this.traces = traces;
    this.#counters = counters;
    this.#failed = failed;
    this.#begun = new Begun(counters, failed);
  }

  /** Starts a call at once, so that calls keep their order, and counts it under its verb. Bad options reject it. */
  run<Result>(
    verb: string,
    options: SendOptions | undefined,
    call: (options: SendOptions) => Promise<Result>,
    table?: OptionTable<SendOptions>,
  ): Promise<Result> {
    try {
      checkSendOptions(options, table);
      const { current } = this.traces;
      const checked = options ?? NO_OPTIONS;
      const promise = current === undefined ? call(checked) : current.verb(verb, () => call(checked));
      this.#begun.add(verb, promise);
      return promise;
    } catch (error) {
      return this.rejected(verb, error);
    }
  }

  /** A rejection that is heard like that of a call. */
  rejected<Result>(verb: string, error: unknown): Promise<Result> {
    const promise = Promise.reject<Result>(error);
    bump(tallyOf(this.#counters, verb), failureOf(error));
    promise.catch(this.#failed);
    return promise;
  }

  /** Settles when the calls that have begun by now have ended, or when the time is over. */
  async ended(timeoutMs: number): Promise<void> {
    const begun = this.#begun;
    this.#begun = new Begun(this.#counters, this.#failed);
    await begun.none(timeoutMs);
  }
}

/** Counts calls that have begun and not yet ended. */
class Begun {
  #count = 0;
  #none: (() => void) | undefined;
  readonly #counters: Counters;
  readonly #failed: (error: unknown) => void;
  /** By verb, so that a call needs no closures of its own. */
  readonly #ends: Record<string, Ends> = {};

  constructor(counters: Counters, failed: (error: unknown) => void) {
    this.#counters = counters;
    this.#failed = failed;
  }

  add(verb: string, call: Promise<unknown>): void {
    this.#count++;
    const { ended, failed } = (this.#ends[verb] ??= this.#endsOf(verb));
    call.then(ended, failed);
  }

  #endsOf(verb: string): Ends {
    const tally = tallyOf(this.#counters, verb);
    return {
      ended: (result) => {
        bump(tally, outcomeOf(result));
        this.#end();
      },
      failed: (error) => {
        bump(tally, failureOf(error));
        this.#end();
        this.#failed(error);
      },
    };
  }

  #end(): void {
    if (--this.#count === 0) this.#none?.();
  }

  /** Settles when all have ended, or when the time is over. Call it once, when no more are added. */
  async none(timeoutMs: number): Promise<void> {
    if (this.#count === 0) return;
    await settledWithin(new Promise<void>((resolve) => (this.#none = resolve)), timeoutMs);
  }
}

/** Hears how the calls of a verb end. */
interface Ends {
  readonly ended: (result: unknown) => void;
  readonly failed: (error: unknown) => void;
}

function tallyOf({ sends }: Counters, verb: string): Tally {
  return (sends[verb] ??= {});
}

/** How a call ended, as it is counted. */
export function outcomeOf(result: unknown): string {
  if (result === true || typeof result !== "object" || result === null) return result === false ? "missed" : "ok";
  const { unreachable } = result as { unreachable?: readonly string[] };
  return unreachable === undefined || unreachable.length === 0 ? "ok" : "partial";
}

/** The code of an error; that of an aborted signal is `aborted`. */
export function failureOf(error: unknown): string {
  return errorCode(error) ?? "aborted";
}

/** The end of an error text, for users of libraries whose verbs take an event and its data. */
export const ONE_MESSAGE = "; an event and its data are one message, such as JSON.stringify({ event, data })";

/** The options of a call. */
export const SEND_OPTIONS: OptionTable<SendOptions> = {
  signal: checkSignal,
  timeoutMs: (name, value) => checkMs(name, value, Number.MIN_VALUE),
};

/** The options of an emit. */
export const EMIT_OPTIONS: OptionTable<EmitOptions> = { ...SEND_OPTIONS, confirm: checkFlag };

/** The options of a client that begins to listen. `from` is checked where it is read. */
export const SUBSCRIBE_OPTIONS: OptionTable<ListenOptions> = { ...SEND_OPTIONS, from: checkObject };

/** Throws for bad options, and throws the signal's reason if it is aborted already. */
export function checkSendOptions(
  options: SendOptions | undefined,
  table: OptionTable<SendOptions> = SEND_OPTIONS,
): void {
  if (options === undefined) return;
  if (!isPlain(options)) {
    throw invalidArgument(
      `options must be a plain object such as { timeoutMs: 500 }, not ${kindOf(options)}${ONE_MESSAGE}`,
    );
  }
  for (const name in options) {
    if (!Object.hasOwn(table, name)) {
      throw invalidArgument(`${unknownOption(name, name, Object.keys(table))}${ONE_MESSAGE}`);
    }
  }
  checkOptions<SendOptions>("options", options, table);
  options.signal?.throwIfAborted();
}
