import type { Counters } from "../../base/counters/counters.ts";
import { type SlowClient, SlowReaders } from "../../client/slow/newest.ts";
import type { TopicOptions } from "./topic-options.ts";
import { TopicRules } from "./topic-rules.ts";

/** The readers of a hub that may get only the newest message of a topic. */
export function slowReadersOf<Own extends SlowClient>(
  { topics = [] }: { readonly topics?: readonly TopicOptions[] },
  counters: Counters,
): SlowReaders<Own> {
  const rules = new TopicRules(topics, ({ slowConsumer }) => slowConsumer === "latest");
  return new SlowReaders(counters, (topic) => rules.of(topic) === true);
}
