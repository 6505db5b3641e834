import { invalidArgument } from "../base/error.ts";
import type { Except, SendToManyOptions } from "./verbs.ts";

/** The ids to leave out. Throws a TypeError (`invalid_argument`) for anything but a list of ids. */
export function exceptSet(except: Iterable<string> | undefined): Except {
  if (except === undefined) return undefined;
  if (typeof except === "string" || typeof except?.[Symbol.iterator] !== "function") {
    throw invalidArgument("except is a list of ids");
  }
  const ids = new Set(except);
  for (const id of ids) if (typeof id !== "string") throw invalidArgument("except is a list of ids, which are strings");
  return ids.size > 0 ? ids : undefined;
}

/** The options with one more id to leave out. */
export function exceptAlso(options: SendToManyOptions, id: string): SendToManyOptions {
  // Anything but a list goes on as it is, to be refused with the call.
  if (typeof options !== "object" || options === null) return options;
  const { except = [] } = options;
  if (typeof except !== "object" || except === null || !(Symbol.iterator in except)) return options;
  return { ...options, except: [...except, id] };
}
