import { invalidArgument } from "../error.ts";
import { checkName } from "./check.ts";

/** Throws a TypeError (`invalid_argument`) unless an application can use the topic: one that is a name, and is not kept for the library. */
export function checkTopic(topic: unknown, maxBytes: number): asserts topic is string {
  checkName("topic", topic, maxBytes);
  if (!isOwnTopic(topic)) return;
  throw invalidArgument(
    `the topic must not begin with ${JSON.stringify(RESERVED)}, which is kept for the library: choose another name, ` +
      "or write hub.user(name) for the clients of a user",
  );
}

const RESERVED = "meshsocket:";

/** Whether a topic is one of the library's own, which applications neither name nor see. */
export function isOwnTopic(topic: string): boolean {
  return topic.startsWith(RESERVED);
}

/** The topic on which all clients of a user listen. */
export function userTopic(user: string): string {
  return `${RESERVED}user:${user}`;
}
