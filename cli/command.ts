/** A command of `npx meshsocket`. */
export interface Command {
  /** The help text: purpose, options and environment variables, with an example. */
  readonly help: string;
  /** Resolves once it runs or is done. Throws an Error with one clear line, {@link UsageError} for a wrong argument. */
  run(args: readonly string[], environment: Environment): Promise<void>;
}

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The exit codes of all commands. */
export const ExitCode = {
  /** It is done. */
  Done: 0,
  /** It failed: no node answered, or the call was refused. */
  Failed: 1,
  /** The command was called in a way that it does not know. */
  Usage: 2,
  /** It was done, and the answer is no: nobody has the id, or something is wrong with the deployment. */
  No: 3,
} as const;

/** A command was called in a way that it does not know. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}
