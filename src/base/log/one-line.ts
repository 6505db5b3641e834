import { errorCode } from "../error.ts";

/** A line may not be longer, whatever a client sent. */
const MAX_CHARS = 1_000;
/** How many causes of an error are named. */
const MAX_CAUSES = 3;

/**
 * Log data as one line: texts, and errors by name, message and causes.
 *
 * With `stack`, an error that is not meshsocket's own is followed by its stack: it shows where the application failed.
 */
export function oneLine(data: readonly unknown[], { stack = false }: { stack?: boolean } = {}): string {
  const line = plain(data.map(describe).join(": ")).slice(0, MAX_CHARS);
  const error = stack ? data.find(isForeign) : undefined;
  return error === undefined ? line : [line, ...frames(error)].join("\n");
}

function describe(value: unknown): string {
  if (!(value instanceof Error)) return typeof value === "string" ? value : (toText(value) ?? String(value));
  const texts: string[] = [];
  for (let error: unknown = value; error instanceof Error && texts.length <= MAX_CAUSES; error = error.cause) {
    texts.push(headline(error));
  }
  return texts.join(", because of ");
}

function headline(error: Error): string {
  const code = errorCode(error) ?? (error as { code?: unknown }).code;
  return `${error.name}${typeof code === "string" ? ` [${code}]` : ""}: ${error.message}`;
}

function toText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/** The text without line breaks and other control characters: a client must not write lines of its own. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}

function isForeign(value: unknown): value is Error {
  return value instanceof Error && errorCode(value) === undefined;
}

function frames({ stack = "" }: Error): string[] {
  return stack.split("\n").filter((line) => /^\s+at /.test(line));
}
