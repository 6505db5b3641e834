import { createDelta } from "fossil-delta";
import { Deltas } from "../../client/delta/deltas.ts";
import type { TopicOptions } from "./topic-options.ts";
import { TopicRules } from "./topic-rules.ts";

/** Makes the deltas of the topics that have `delta: true`; undefined for any other. */
export function deltasOf<Member>(
  { topics = [] }: { readonly topics?: readonly TopicOptions[] },
): (topic: string) => Deltas<Member> | undefined {
  const rules = new TopicRules(topics, ({ delta }) => delta === true);
  return (topic) => rules.of(topic) ? new Deltas(topic, createDelta) : undefined;
}
