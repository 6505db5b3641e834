import type { CompressionByTopic } from "../../client/clients.ts";
import { type Compression, type CompressOptions, compressOptions } from "../../send/compression.ts";
import type { TopicOptions } from "./topic-options.ts";
import { TopicRules } from "./topic-rules.ts";

/** Which messages of a hub are compressed; undefined if none are. The options must have been checked. */
export function compressionOf({ compress, topics = [] }: CompressedHub): Compression | undefined {
  const others = compressOptions("compress", compress);
  return others || topics.some((topic) => compressOptions("compress", topic.compress)) ? { others } : undefined;
}

/** How the messages of topics are compressed, by the first entry of the hub's `topics` that matches. */
export class TopicCompression implements CompressionByTopic {
  readonly #rules: TopicRules<Readonly<CompressOptions> | null | undefined>;

  private constructor(topics: readonly TopicOptions[]) {
    this.#rules = new TopicRules(topics, optionsOf);
  }

  /** Undefined if no topic has settings of its own. */
  static from({ topics = [] }: CompressedHub): TopicCompression | undefined {
    return topics.some(({ compress }) => compress !== undefined) ? new TopicCompression(topics) : undefined;
  }

  of(topic: string): Readonly<CompressOptions> | null | undefined {
    return this.#rules.of(topic);
  }
}

/** Undefined: as the hub says; null: never. */
function optionsOf({ compress }: TopicOptions): Readonly<CompressOptions> | null | undefined {
  return compress === undefined ? undefined : compressOptions("compress", compress) ?? null;
}

/** The options of a hub that say what is compressed. */
interface CompressedHub {
  readonly compress?: boolean | Partial<CompressOptions>;
  readonly topics?: readonly TopicOptions[];
}
