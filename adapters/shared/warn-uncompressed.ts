import { about } from "../../src/base/log/about.ts";
import type { Logger } from "../../src/base/log/logger.ts";
import type { Compression } from "../../src/send/compression.ts";

/** Warns that a hub's option `compress` has no effect on the engine that serves it: messages go as they are. */
export function warnUncompressed(
  hub: { compression: Compression | undefined; logger: Logger },
  engine: string,
): void {
  if (!hub.compression) return;
  hub.logger.warn(
    `meshsocket: the option compress has no effect on ${engine}: serve the hub on Node, or with serve of meshsocket/deno`,
    about("not_compressed"),
  );
}
