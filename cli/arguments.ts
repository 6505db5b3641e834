import { parseArgs } from "node:util";
import { type Environment, UsageError } from "./command.ts";

/** The options of a command by name: `true` for a flag, else an option with a value. */
export type OptionKinds = Readonly<Record<string, "flag" | "value">>;

/** The arguments of a command. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly environment: Environment;
  readonly #values: Readonly<Record<string, string | boolean | undefined>>;

  /** Throws a {@link UsageError} for an unknown option, or for another number of positionals than these names. */
  constructor(args: readonly string[], environment: Environment, kinds: OptionKinds, names: readonly string[] = []) {
    const options = Object.fromEntries(
      Object.entries(kinds).map(([name, kind]) => [name, { type: kind === "flag" ? "boolean" : "string" } as const]),
    );
    const parsed = parsedOf(args, options);
    this.#values = parsed.values;
    this.positionals = parsed.positionals;
    this.environment = environment;
    const missing = names[this.positionals.length];
    if (missing !== undefined && !missing.endsWith("?")) throw new UsageError(`${missing} is missing`);
    const extra = this.positionals[names.length];
    if (extra !== undefined) throw new UsageError(`${JSON.stringify(extra)} is one argument too many`);
  }

  /** The value of an option, or else of an environment variable that is not empty. */
  value(option: string, variable?: string): string | undefined {
    const given = this.#values[option];
    if (typeof given === "string") return given;
    return variable === undefined ? undefined : this.environment[variable] || undefined;
  }

  flag(option: string): boolean {
    return this.#values[option] === true;
  }

  /** A whole number from 0 to `max`. Throws a {@link UsageError} for anything else. */
  count(option: string, otherwise: number, max = 2_147_483_647): number {
    const text = this.value(option);
    if (text === undefined) return otherwise;
    const number = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (number <= max) return number;
    throw new UsageError(`--${option} must be a whole number from 0 to ${max}, not ${JSON.stringify(text)}`);
  }

  /** One of some words. Throws a {@link UsageError} for any other. */
  word<Word extends string>(option: string, words: readonly Word[], otherwise: Word): Word {
    const text = this.value(option);
    const word = text === undefined ? otherwise : words.find((one) => one === text);
    if (word !== undefined) return word;
    throw new UsageError(`--${option} must be ${words.join(" or ")}, not ${JSON.stringify(text)}`);
  }
}

function parsedOf(
  args: readonly string[],
  options: Readonly<Record<string, { readonly type: "boolean" | "string" }>>,
): { values: Readonly<Record<string, string | boolean | undefined>>; positionals: readonly string[] } {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error));
  }
}
