import { MeshError } from "../src/base/error.ts";
import { Reading } from "../src/wire/stream.ts";
import type { Pending } from "./events.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";

/** Reads a stream: what came so far as one part, then each. */
export async function* readStream(
  topics: StreamTopics,
  topic: string,
  options: ReadStreamOptions,
): AsyncGenerator<Pending, undefined> {
  const reading = new Reading(options.maxBytes ?? topics.maxBytes);
  const subscription = await topics.subscribe(topic, { ...options, from: { ms: EVERYTHING } }, true);
  const feed = async (): Promise<void> => {
    for await (const { data } of subscription) {
      if (!subscription.recovered) reading.gap();
      reading.message(data);
    }
    reading.stop(new MeshError("canceled", "the WebSocket is closed"));
  };
  feed().catch((error: unknown) => reading.stop(error));
  // After the messages that came before the reply.
  setTimeout(() => reading.live());
  try {
    for (let part = await reading.next(); part !== undefined; part = await reading.next()) yield part as Pending;
  } finally {
    subscription.close();
  }
  return undefined;
}

/** The longest time that can be named: all that the history of a topic keeps. */
const EVERYTHING = 2 ** 31 - 1;

/** How a stream is read. */
export type ReadStreamOptions = Omit<SubscribeOptions, "from">;

/** The topics of {@link readStream}. */
export interface StreamTopics {
  /** Bytes of messages that may wait to be read, unless a call says otherwise. */
  readonly maxBytes: number;
  subscribe(name: string, options: SubscribeOptions, stream: true): Promise<Subscription>;
}
