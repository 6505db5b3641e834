import { BoundedMap } from "../../base/bounded-map.ts";
import { isOwnTopic } from "../../base/check/topic.ts";
import { matches, type TopicOptions } from "./topic-options.ts";

/** One setting of topics by their names: that of the first entry which matches. The library's own topics have none. */
export class TopicRules<Setting> {
  readonly #entries: readonly TopicOptions[];
  readonly #settingOf: (entry: TopicOptions) => Setting;
  readonly #known = new BoundedMap<string, Setting | undefined>(MAX_KNOWN);

  constructor(entries: readonly TopicOptions[], settingOf: (entry: TopicOptions) => Setting) {
    this.#entries = entries;
    this.#settingOf = settingOf;
  }

  /** The setting of a topic; undefined if no entry matches. */
  of(topic: string): Setting | undefined {
    if (this.#entries.length === 0) return undefined;
    const known = this.#known.get(topic);
    if (known !== undefined || this.#known.has(topic)) return known;
    const entry = isOwnTopic(topic) ? undefined : this.#entries.find(({ match }) => matches(match, topic));
    const setting = entry && this.#settingOf(entry);
    this.#known.set(topic, setting);
    return setting;
  }
}

/** Topics whose setting is remembered. Over it that of one is looked for again. */
const MAX_KNOWN = 10_000;
