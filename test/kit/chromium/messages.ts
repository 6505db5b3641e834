import { MeshError, type MeshErrorCode } from "../../../src/base/error.ts";

/** A page and its host talk in calls: of one method of one thing, by its name. */
export interface FarCall {
  /** "hub", "proxy", or what one of them gave out, such as "client 3". */
  readonly target: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** How a call ended. */
export type FarResult = { readonly value: unknown } | { readonly error: FarError };

interface FarError {
  readonly message: string;
  readonly code: string | undefined;
}

/** Values of a call as text: JSON, with bytes and undefined. */
export function encode(value: unknown): string {
  return JSON.stringify({ value }, (_, each: unknown) => each instanceof Uint8Array ? { bytes: [...each] } : each);
}

export function decode(text: string): unknown {
  const revive = (_: string, each: unknown): unknown => isBytes(each) ? Uint8Array.from(each.bytes) : each;
  return (JSON.parse(text, revive) as { value?: unknown }).value;
}

function isBytes(value: unknown): value is { bytes: number[] } {
  return typeof value === "object" && value !== null && Array.isArray((value as { bytes?: unknown }).bytes);
}

/** How the work ended, as text. Never rejects. */
export async function settled(work: () => unknown): Promise<string> {
  try {
    return encode({ value: await work() });
  } catch (error) {
    const { message, code } = error as FarError;
    return encode({ error: { message, code } });
  }
}

/** The value of what {@link settled} wrote; throws its error, with its code. */
export function unwrap(text: string): unknown {
  const result = decode(text) as FarResult;
  if (!("error" in result)) return result.value;
  const { message, code } = result.error;
  throw code === undefined ? new Error(message) : new MeshError(code as MeshErrorCode, message);
}
