import type { Outcome } from "./node-control.ts";

/** A connection of an id, as its client saw it. */
export interface ConnectionLog {
  readonly id: string;
  readonly openedAt: number;
  /** Messages in the order of their arrival. */
  readonly got: string[];
  closedAt?: number;
  /** 1006: it broke. Any other: the server closed it in order, after everything that it sent. */
  code?: number;
  /** The client itself left. */
  left?: boolean;
}

/** An emit. */
export interface SendLog {
  /** Unique in the history. */
  readonly message: string;
  /** The process that sent it. Its sends to one id were awaited one after the other. */
  readonly sender: string;
  readonly id: string;
  readonly start: number;
  /** Undefined when the sender died before it could tell. */
  outcome?: Outcome;
}

/** What the clients and the senders of one run saw. Times come from one logical clock. */
export class EmitHistory {
  readonly connections: ConnectionLog[] = [];
  readonly sends: SendLog[] = [];
  #now = 0;

  tick(): number {
    return ++this.#now;
  }
}

/** What {@link checkEmits} found. */
export interface Verdict {
  /** What must not be, one line each. */
  readonly broken: readonly string[];
  readonly sent: number;
  readonly delivered: number;
  /** Reported as delivered and not received, because the connection broke or the client left before it could be. */
  readonly exempt: number;
}

/** Whether more is exempt than faults explain: each breaks some connections, with about one message under way on each. */
export function tooManyExempt({ exempt, delivered }: Verdict): boolean {
  return exempt > 0.02 * delivered + 20;
}

/**
 * Whether every promise was kept:
 *
 * - what was reported as delivered was received, unless a connection of that id broke, or was left, after the send began;
 * - nothing was received twice, by another id, or without having been sent, and nothing that was reported as not delivered;
 * - what one process sent to one id arrived in call order on each connection.
 */
export function checkEmits({ connections, sends }: EmitHistory): Verdict {
  const broken: string[] = [];
  const byMessage = new Map(sends.map((send) => [send.message, send]));
  const received = new Map<string, number>();
  for (const { id, got } of connections) {
    const newest = new Map<string, SendLog>();
    for (const message of got) {
      received.set(message, (received.get(message) ?? 0) + 1);
      const send = byMessage.get(message);
      if (!send || send.id !== id) {
        broken.push(`${id} got ${message}, which was not for it`);
        continue;
      }
      const before = newest.get(send.sender);
      if (before && before.start > send.start) broken.push(`${id} got ${before.message} before ${message}`);
      newest.set(send.sender, send);
    }
  }
  for (const [message, times] of received) if (times > 1) broken.push(`${message} was received ${times} times`);
  const lossy = lossesOf(connections);
  let delivered = 0;
  let exempt = 0;
  for (const { message, id, start, outcome } of sends) {
    if (!outcome || !("value" in outcome)) continue;
    if (outcome.value === true) delivered++;
    const got = received.has(message);
    if (outcome.value === false && got) broken.push(`${message} was received, and reported as not delivered`);
    if (outcome.value !== true || got) continue;
    if ((lossy.get(id) ?? -1) > start) exempt++;
    else broken.push(`${message} was reported as delivered, and ${id} never got it`);
  }
  return { broken, sent: sends.length, delivered, exempt };
}

/** By id, when a connection last ended in a way that may lose what was under way. */
function lossesOf(connections: readonly ConnectionLog[]): Map<string, number> {
  const losses = new Map<string, number>();
  for (const { id, closedAt, code, left } of connections) {
    if (closedAt !== undefined && (left || code === 1006)) losses.set(id, Math.max(closedAt, losses.get(id) ?? 0));
  }
  return losses;
}
