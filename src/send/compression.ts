import { checkBytes, checkOptions, kindOf, type OptionTable } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";

/** Which messages are compressed for the clients that asked for it in their handshake (`permessage-deflate`, RFC 7692). */
export interface CompressOptions {
  /** Bytes from which on a message is compressed. Default 1,024: below, the work costs more than the bytes. */
  minBytes: number;
  /** Bytes up to which a message is compressed. Default 262,144: all clients of the node wait while a message is deflated, about 5 ms then. */
  maxBytes: number;
}

/** How a hub compresses. It agrees with its clients to compress if it is there, whichever messages that is for. */
export interface Compression {
  /** Which of the messages whose topic has no settings of its own; undefined for none of them. */
  readonly others: Readonly<CompressOptions> | undefined;
}

/** The defaults of {@link CompressOptions}. */
export const DEFAULT_COMPRESS: Readonly<CompressOptions> = { minBytes: 1_024, maxBytes: 262_144 };

/** The options with their defaults; undefined if nothing is compressed. Throws a TypeError (`invalid_argument`) for bad ones. */
export function compressOptions(
  what: string,
  options: boolean | Partial<CompressOptions> | undefined,
): Readonly<CompressOptions> | undefined {
  if (options === undefined || options === false) return undefined;
  if (options === true) return DEFAULT_COMPRESS;
  if (typeof options !== "object") {
    throw invalidArgument(`${what} must be true, false or { minBytes, maxBytes }, not ${kindOf(options)}`);
  }
  checkOptions<Partial<CompressOptions>>(what, options, COMPRESS_OPTIONS, `${what}.`);
  const { minBytes = DEFAULT_COMPRESS.minBytes, maxBytes = DEFAULT_COMPRESS.maxBytes } = options;
  if (minBytes > maxBytes) {
    throw invalidArgument(`${what}.minBytes (${minBytes}) is over ${what}.maxBytes (${maxBytes})`);
  }
  return { minBytes, maxBytes };
}

const COMPRESS_OPTIONS: OptionTable<CompressOptions> = { minBytes: checkBytes, maxBytes: checkBytes };
