import type { HistoryLog, Publication, Receipt } from "./history.ts";
import { type Window, windowsOf } from "./history-windows.ts";

/** A history with what the rules look things up by. */
interface Indexed {
  readonly log: HistoryLog;
  readonly windows: ReadonlyMap<string, readonly Window[]>;
  readonly publications: ReadonlyMap<string, Publication>;
  readonly receivers: ReadonlyMap<string, readonly Receipt[]>;
  readonly goneAt: ReadonlyMap<string, number>;
}

type Rule = (history: Indexed) => Iterable<string>;

const RULES: readonly Rule[] = [misses, strays, repeats, disorder, miscounts];
const MOST_FINDINGS = 20;

/**
 * What a history shows that must not be, one line each; empty when every promise was kept:
 *
 * - nobody misses a message published after their subscribe settled and before their unsubscribe started, unless the
 *   publish rejected, dropped it, or named a host it could not reach;
 * - nobody gets one published after their unsubscribe settled, or one that leaves them out, or one of another topic;
 * - nobody gets one twice;
 * - of one publisher's messages to one topic, and of messages that one publisher awaited, the first comes first;
 * - what a publish counts is what clients got.
 */
export function brokenPromises(log: HistoryLog): string[] {
  const receivers = new Map<string, Receipt[]>();
  for (const receipt of log.receipts) {
    const ofMessage = receivers.get(receipt.message) ?? [];
    ofMessage.push(receipt);
    receivers.set(receipt.message, ofMessage);
  }
  const history: Indexed = {
    log,
    windows: windowsOf(log),
    publications: new Map(log.publications.map((publication) => [publication.message, publication])),
    receivers,
    goneAt: new Map(log.closings.map(({ client, at }) => [client, at])),
  };
  if (history.publications.size < log.publications.length) throw new Error("two messages of the history are the same");
  const findings = RULES.flatMap((rule) => [...rule(history)]);
  const more = findings.length - MOST_FINDINGS;
  return more > 0 ? [...findings.slice(0, MOST_FINDINGS), `and ${more} more`] : findings;
}

/** Who must have got a message: who listened from before its start until after its end. */
function audience({ windows }: Indexed, { topic, except, start, end = Infinity }: Publication): string[] {
  const listening = (windows.get(topic) ?? []).filter(({ certain: [from, to] }) => from < start && end < to);
  return listening.map(({ client }) => client).filter((client) => !except.includes(client));
}

function* misses(history: Indexed): Iterable<string> {
  for (const publication of history.log.publications) {
    const { message, topic, delivery } = publication;
    if (!delivery || delivery.unreachable.length > 0) continue;
    const got = new Set(history.receivers.get(message)?.map(({ client }) => client));
    // Who went away later may have had it under way.
    const missing = audience(history, publication).filter((client) => !got.has(client) && !history.goneAt.has(client));
    // Which clients were too slow is not told.
    if (missing.length > delivery.dropped) yield `${missing.join(", ")} missed ${message} of ${topic}`;
  }
}

function* strays({ log, windows, publications }: Indexed): Iterable<string> {
  for (const { client, message, at } of log.receipts) {
    const publication = publications.get(message);
    if (!publication) {
      yield `${client} got ${message}, which nobody sent`;
      continue;
    }
    const { topic, start, except } = publication;
    if (except.includes(client)) yield `${client} got ${message}, which leaves it out`;
    const allowed = (windows.get(topic) ?? []).some((window) =>
      window.client === client && window.possible[0] < at && start < window.possible[1]
    );
    if (!allowed) yield `${client} got ${message} of ${topic} without listening`;
  }
}

function* repeats({ receivers }: Indexed): Iterable<string> {
  for (const [message, receipts] of receivers) {
    const clients = receipts.map(({ client }) => client);
    for (const client of new Set(clients)) {
      const times = clients.filter((other) => other === client).length;
      if (times > 1) yield `${client} got ${message} ${times} times`;
    }
  }
}

function* disorder({ log, publications }: Indexed): Iterable<string> {
  /** By client and publisher: the newest message so far, by topic and over all. */
  const newest = new Map<string, Publication>();
  for (const { client, message } of log.receipts) {
    const publication = publications.get(message);
    if (!publication) continue;
    const { publisher, topic, start, end = Infinity } = publication;
    const ofTopic = JSON.stringify([client, publisher, topic]);
    const ofAll = JSON.stringify([client, publisher]);
    const before = newest.get(ofTopic);
    if (before && start < before.start) yield `${client} got ${before.message} before ${message}, which was sent first`;
    const any = newest.get(ofAll);
    if (any && end < any.start) yield `${client} got ${any.message} before ${message}, which was awaited`;
    if (!before || start > before.start) newest.set(ofTopic, publication);
    if (!any || start > any.start) newest.set(ofAll, publication);
  }
}

function* miscounts({ log, receivers, goneAt }: Indexed): Iterable<string> {
  for (const { message, start, delivery } of log.publications) {
    if (!delivery) continue;
    const got = receivers.get(message)?.length ?? 0;
    const { delivered, unreachable } = delivery;
    // An unreachable node may have delivered without having said so.
    if (got > delivered && unreachable.length === 0) {
      yield `${message} counts ${delivered} delivered, but ${got} got it`;
    }
    const left = [...goneAt.values()].filter((at) => at > start).length;
    if (got < delivered - left) yield `${message} counts ${delivered} delivered, but only ${got} got it`;
  }
}
