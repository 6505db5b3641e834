/** A command of `npx meshsocket`. */
export interface Command {
  /** The help text: purpose, options and environment variables, with an example. */
  readonly help: string;
  /** Resolves once it runs or is done. Throws an Error with one clear line, {@link UsageError} for a wrong argument. */
  run(args: readonly string[], environment: Environment): Promise<void>;
}

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A command was called in a way that it does not know. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}
