import type { CompressionByTopic } from "../../client/clients.ts";
import { BoundedMap } from "../../base/bounded-map.ts";
import { isOwnTopic } from "../../base/check/topic.ts";
import { type Compression, type CompressOptions, compressOptions } from "../../send/compression.ts";
import { matches, type TopicOptions } from "./topic-options.ts";

/** Which messages of a hub are compressed; undefined if none are. The options must have been checked. */
export function compressionOf({ compress, topics = [] }: CompressedHub): Compression | undefined {
  const others = compressOptions("compress", compress);
  return others || topics.some((topic) => compressOptions("compress", topic.compress)) ? { others } : undefined;
}

/** How the messages of topics are compressed, by the first entry of the hub's `topics` that matches. */
export class TopicCompression implements CompressionByTopic {
  readonly #rules: readonly TopicOptions[];
  readonly #known = new BoundedMap<string, Readonly<CompressOptions> | null | undefined>(MAX_KNOWN);

  private constructor(rules: readonly TopicOptions[]) {
    this.#rules = rules;
  }

  /** Undefined if no topic has settings of its own. */
  static from({ topics = [] }: CompressedHub): TopicCompression | undefined {
    return topics.some(({ compress }) => compress !== undefined) ? new TopicCompression(topics) : undefined;
  }

  of(topic: string): Readonly<CompressOptions> | null | undefined {
    if (this.#known.has(topic)) return this.#known.get(topic);
    const rule = isOwnTopic(topic) ? undefined : this.#rules.find(({ match }) => matches(match, topic));
    const options = rule?.compress === undefined ? undefined : compressOptions("compress", rule.compress) ?? null;
    this.#known.set(topic, options);
    return options;
  }
}

/** Topics that are remembered. Over it that of one is looked for again. */
const MAX_KNOWN = 10_000;

/** The options of a hub that say what is compressed. */
interface CompressedHub {
  readonly compress?: boolean | Partial<CompressOptions>;
  readonly topics?: readonly TopicOptions[];
}
