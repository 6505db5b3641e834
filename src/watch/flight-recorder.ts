import type { Recorder, RecordKind, Subject } from "../base/watch/recorder.ts";

/**
 * The last things that happened on a node, for the question why a message did not arrive.
 *
 * It keeps a fixed number of records. One that repeats another of the last minute is counted there, so that a flood of
 * refusals does not push out everything else.
 */
export class FlightRecorder implements Recorder {
  /** Hears of every record that is not a repeat; undefined while nobody listens. */
  listener: ((record: FlightRecord) => void) | undefined;
  readonly #max: number;
  readonly #startedMs: number = Date.now();
  readonly #ring: FlightRecord[] = [];
  /** Where the next record goes. */
  #next = 0;
  #forgotMs: number | undefined;
  /** The newest record of each kind. */
  readonly #newest = new Map<string, FlightRecord>();

  /** Keeps at most `max` records: the oldest makes room for one more. */
  constructor(max: number) {
    this.#max = max;
  }

  record(kind: RecordKind, { id = "", topic = "" }: Subject, text: string, code = 0): void {
    const now = Date.now();
    const key = `${kind}\n${id}\n${topic}\n${code}\n${text}`;
    const known = this.#newest.get(key);
    if (known && now - known.lastMs < REPEAT_MS) {
      known.times++;
      known.lastMs = now;
      return;
    }
    const record: FlightRecord = { key, atMs: now, lastMs: now, times: 1, kind, id, topic, text: cut(text), code };
    this.#keep(record);
    this.listener?.(record);
  }

  #keep(record: FlightRecord): void {
    const oldest = this.#ring[this.#next];
    if (oldest) {
      this.#forgotMs = oldest.atMs;
      if (this.#newest.get(oldest.key) === oldest) this.#newest.delete(oldest.key);
    }
    this.#ring[this.#next] = record;
    this.#newest.set(record.key, record);
    this.#next = (this.#next + 1) % this.#max;
  }

  /** From when on nothing is missing, in milliseconds since 1970. */
  get sinceMs(): number {
    return this.#forgotMs ?? this.#startedMs;
  }

  /** The records for which `wanted` is true, the oldest first, at most the `max` newest. */
  find(wanted: (record: FlightRecord) => boolean, max: number): FlightRecord[] {
    const ordered = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return ordered.filter(wanted).slice(-max);
  }
}

/** One record. It holds no message. */
export interface FlightRecord {
  readonly key: string;
  readonly atMs: number;
  lastMs: number;
  times: number;
  readonly kind: RecordKind;
  /** "" if it is not about a client. */
  readonly id: string;
  /** "" if it is not about a topic. */
  readonly topic: string;
  readonly text: string;
  readonly code: number;
}

const REPEAT_MS = 60_000;
const MAX_TEXT_CHARS = 300;

function cut(text: string): string {
  return text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS - 1)}…` : text;
}
