import type { About } from "./about.ts";
import { errorCode } from "../error.ts";
import type { Logger } from "./logger.ts";

/** How many causes of an error are named. */
const MAX_CAUSES = 3;

/** Whether a logger takes an object of fields before the text, as pino and bunyan do. */
export function takesFields(logger: Logger): boolean {
  const { child, bindings, fields } = logger as { child?: unknown; bindings?: unknown; fields?: unknown };
  return typeof child === "function" && (typeof bindings === "function" || typeof fields === "object");
}

/** The fields of a line for such a logger. The error is not called `err`, which pino would serialize in its own way, without the causes. */
export function fieldsOf(about: About | undefined, error: unknown, host: string | undefined): object {
  return {
    ...(about && { event: about.event }),
    ...(host !== undefined && { host }),
    ...(errorCode(error) !== undefined && { code: errorCode(error) }),
    ...about?.fields,
    ...(error !== undefined && { error: plainError(error) }),
  };
}

/** The known parts of an error, and not whatever else a library has put on it, which may be a header or a password. */
function plainError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name: type, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    type,
    message,
    ...(typeof code === "string" && { code }),
    // An error of our own says where it comes from in its text.
    ...(errorCode(error) === undefined && { stack }),
    ...(cause !== undefined && depth < MAX_CAUSES && { cause: plainError(cause, depth + 1) }),
  };
}
