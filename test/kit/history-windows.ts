import type { HistoryLog, Listening } from "./history.ts";

/** A time during which one client listened on one topic. Both ends may be infinite. */
export interface Window {
  readonly client: string;
  /** From the start of its subscribe to the end of its unsubscribe: it may get messages. */
  readonly possible: readonly [from: number, to: number];
  /** From the end of its subscribe to the start of its unsubscribe: it must get messages. Empty when the subscribe failed. */
  readonly certain: readonly [from: number, to: number];
}

/** By topic, who listened when. */
export function windowsOf({ listenings, closings }: HistoryLog): Map<string, Window[]> {
  const goneAt = new Map(closings.map(({ client, at }) => [client, at]));
  const byTopic = new Map<string, Window[]>();
  for (const steps of groups(listenings)) {
    const [{ client, topic } = { client: "", topic: "" }] = steps;
    const windows = byTopic.get(topic) ?? [];
    byTopic.set(topic, windows);
    for (const window of windowsOfOne(client, steps, goneAt.get(client) ?? Infinity)) windows.push(window);
  }
  return byTopic;
}

/** What each client did with each topic, in order. */
function groups(listenings: readonly Listening[]): Iterable<Listening[]> {
  const steps = new Map<string, Listening[]>();
  for (const step of listenings) {
    const key = JSON.stringify([step.client, step.topic]);
    const before = steps.get(key) ?? [];
    const last = before.at(-1);
    if (last && (last.end ?? Infinity) > step.start) {
      throw new Error(`the steps of ${key} overlap: nothing can be told`);
    }
    steps.set(key, [...before, step]);
  }
  return steps.values();
}

function* windowsOfOne(client: string, steps: readonly Listening[], goneAt: number): Iterable<Window> {
  let possibleFrom: number | undefined;
  let certainFrom: number | undefined;
  const end = (stopsAt: number, to: number): Window => ({
    client,
    possible: [possibleFrom ?? to, Math.min(to, goneAt)],
    certain: [certainFrom ?? stopsAt, Math.min(stopsAt, goneAt)],
  });
  for (const { wanted, start, end: ended = Infinity, failed = false } of steps) {
    if (wanted) {
      possibleFrom ??= start;
      // A subscribe that fails changes nothing: who listened before goes on.
      if (!failed && ended < Infinity) certainFrom ??= ended;
      else if (certainFrom === undefined && ended < Infinity) {
        yield end(ended, ended);
        possibleFrom = undefined;
      }
    } else if (possibleFrom !== undefined) {
      if (failed || ended === Infinity) {
        // Nobody can tell whether it still listens.
        yield end(start, Infinity);
      } else yield end(start, ended);
      possibleFrom = undefined;
      certainFrom = undefined;
    }
  }
  if (possibleFrom !== undefined) yield end(Infinity, Infinity);
}
