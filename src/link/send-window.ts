import { create } from "@bufbuild/protobuf";
import { Counters } from "../base/counters/counters.ts";
import { MeshError } from "../base/error.ts";
import { randomId } from "../base/random-id.ts";
import {
  type Answer,
  AnswerSchema,
  type Batch,
  type BatchAnswer,
  HolderSchema,
  type Item,
  ItemSchema,
  Status,
} from "../gen/meshsocket/node/v1/node_pb.ts";
import type { Holder } from "../storage/storage.ts";

const MAX_BATCH_ITEMS = 4_096;
/** Over it a batch holds a single call. */
const MAX_BATCH_BYTES = 524_288;

const MISSING = new MeshError("internal", "an answer is missing");

/** The answer where another life answers than the one that was called: nothing was taken, and who has the id is not known. */
export const OTHER_LIFE: Answer = create(AnswerSchema, { status: Status.NOT_HERE });

/**
 * The calls of one link: those that wait, and those that are sent in numbered batches and wait for their answers.
 *
 * Numbers start at 1 and grow by one. When some of them will never be answered, they start again under a new name. A call is
 * settled once. A batch keeps its number and its length whatever becomes of its calls.
 */
export class SendWindow {
  readonly #to: Holder;
  readonly #from: (() => Holder) | undefined;
  readonly #limits: SendWindowLimits;
  readonly #counters: Counters;
  readonly #link = randomId();
  /** How often the numbers started again. */
  #restarts = 0;
  #lastNumber = 0n;
  #waiting: Call[] = [];
  readonly #sent = new Map<bigint, SentBatch>();
  #calls = 0;
  #bytes = 0;

  constructor(to: Holder, from: (() => Holder) | undefined, limits: SendWindowLimits) {
    this.#to = to;
    this.#from = from;
    this.#limits = limits;
    this.#counters = limits.counters ?? new Counters();
  }

  /** Calls that are not settled. */
  get calls(): number {
    return this.#calls;
  }

  /** Calls that wait to be sent. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The batches without an answer, in their order. */
  get sent(): Iterable<SentBatch> {
    return this.#sent.values();
  }

  /** Whether no batch is without an answer. */
  get answered(): boolean {
    return this.#sent.size === 0;
  }

  /** The name of the numbers: a random one, and how often they started again. */
  get name(): string {
    return `${this.#link}:${this.#restarts}`;
  }

  /** Whether a call of so many bytes is one too many. The first call always has room. */
  isFullFor(bytes: number): boolean {
    const { maxBytes, maxCalls } = this.#limits;
    return this.#calls >= maxCalls || (this.#calls > 0 && this.#bytes + bytes > maxBytes);
  }

  add(item: Item, bytes: number, deadlineMs: number, caller: Caller): void {
    this.#waiting.push({ item, bytes, deadlineMs, caller, settled: false });
    this.#calls++;
    this.#bytes += bytes;
    this.#counters.linkCallsNow++;
    this.#counters.linkBytesNow += bytes;
  }

  /** The next batch, which is sent now; undefined if nothing waits or enough is unanswered. */
  next(): SentBatch | undefined {
    while (this.#waiting.length > 0 && this.#sent.size < this.#limits.maxInFlight) {
      const calls = takeBatch(this.#waiting);
      if (calls.length === 0) continue;
      const sent: SentBatch = { number: ++this.#lastNumber, calls, sentAtMs: performance.now(), doubtful: false };
      this.#sent.set(sent.number, sent);
      this.#counters.batches.add(calls.length);
      return sent;
    }
    return undefined;
  }

  /** The message that carries a batch. */
  message({ number, calls }: SentBatch): Batch {
    // A call that was settled got an error: an empty item keeps its place and delivers nothing.
    const items = calls.map((call) => (call.settled ? create(ItemSchema) : call.item));
    const from = this.#from?.();
    // Written out: `create` looks at each item again.
    const batch: Batch = {
      $typeName: "meshsocket.node.v1.Batch",
      line: this.name,
      toLife: this.#to.life,
      number,
      items,
    };
    if (from) batch.from = create(HolderSchema, from);
    return batch;
  }

  batch(number: bigint): SentBatch | undefined {
    return this.#sent.get(number);
  }

  /** Settles the calls of a batch with its answers. */
  resolve(sent: SentBatch, { answers }: BatchAnswer): void {
    this.#sent.delete(sent.number);
    this.#counters.linkSeconds.add((performance.now() - sent.sentAtMs) / 1_000);
    for (let index = 0; index < sent.calls.length; index++) {
      const call = sent.calls[index] as Call;
      const answer = answers[index];
      if (answer) this.#resolve(call, answer);
      else this.#reject(call, MISSING);
    }
  }

  /** Another life answers: a call that an earlier line carried may have been taken by the former, any other is not there. */
  notHere(): void {
    const doubt = new MeshError("unknown", `${this.#to.host} started again while it held the message`);
    for (const { calls, doubtful } of this.#sent.values()) {
      for (const call of calls) {
        if (doubtful) this.#reject(call, doubt);
        else this.#resolve(call, OTHER_LIFE);
      }
    }
    for (const call of this.#waiting) this.#resolve(call, OTHER_LIFE);
  }

  /** The numbers start again: the calls that were sent are rejected, those that wait go out under the new name. */
  startOver(error: MeshError): void {
    for (const { calls } of this.#sent.values()) for (const call of calls) this.#reject(call, error);
    this.#restart();
  }

  /** The line broke in a way that leaves open whether the batches arrived. */
  doubt(): void {
    for (const sent of this.#sent.values()) sent.doubtful = true;
  }

  /** Rejects every call: with `unknown` where it is in doubt, else with the error, which says that it was not taken. */
  failAll(error: MeshError): void {
    const doubt = new MeshError("unknown", `the line to ${this.#to.host} broke`, { cause: error });
    for (const { calls, doubtful } of this.#sent.values()) {
      for (const call of calls) this.#reject(call, doubtful ? doubt : error);
    }
    for (const call of this.#waiting) this.#reject(call, error);
    this.#waiting = [];
    if (this.#sent.size > 0) this.#restart();
  }

  /** The other node takes no batch of that length. False if its calls were settled before. */
  rejectTooLong({ calls }: SentBatch): boolean {
    if (calls.every(({ settled }) => settled)) return false;
    const host = this.#to.host;
    const text = `the message is longer than ${host} takes: raise limits.maxMessageBytes there`;
    for (const call of calls) this.#reject(call, new MeshError("resource_exhausted", text));
    return true;
  }

  /** A stream ended because one of its batches was too long for the other node: that is the longest of them. */
  rejectLongest(): void {
    const bytesOf = ({ calls }: SentBatch): number => calls.reduce((sum, { bytes }) => sum + bytes, 0);
    const [longest] = [...this.#sent.values()].toSorted((one, other) => bytesOf(other) - bytesOf(one));
    if (longest && bytesOf(longest) > MAX_BATCH_BYTES) this.rejectTooLong(longest);
  }

  /** Rejects the calls whose deadline has passed. */
  expire(now: number): void {
    const late = new MeshError("deadline_exceeded", `${this.#to.host} did not answer in time`);
    const expire = (call: Call): void => {
      if (call.deadlineMs <= now) this.#reject(call, late);
    };
    for (const { calls } of this.#sent.values()) calls.forEach(expire);
    this.#waiting.forEach(expire);
  }

  #restart(): void {
    this.#sent.clear();
    this.#restarts++;
    this.#lastNumber = 0n;
  }

  #resolve(call: Call, answer: Answer): void {
    if (this.#settle(call)) call.caller.resolve(answer);
  }

  #reject(call: Call, error: MeshError): void {
    if (this.#settle(call)) call.caller.reject(error);
  }

  /** False if the call was settled before. */
  #settle(call: Call): boolean {
    if (call.settled) return false;
    call.settled = true;
    this.#calls--;
    this.#bytes -= call.bytes;
    this.#counters.linkCallsNow--;
    this.#counters.linkBytesNow -= call.bytes;
    return true;
  }
}

/** The bounds of a {@link SendWindow}. */
export interface SendWindowLimits {
  /** Batches that may be unanswered at once. More calls wait and grow the next batch. */
  maxInFlight: number;
  maxBytes: number;
  maxCalls: number;
  counters?: Counters | undefined;
}

/** The caller of a call, which hears once how it ended. The two ends of a promise are such a caller. */
export interface Caller {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** A call that a link was given. */
interface Call {
  readonly item: Item;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly caller: Caller;
  settled: boolean;
}

/** A batch that waits for its answer. */
export interface SentBatch {
  readonly number: bigint;
  readonly calls: readonly Call[];
  readonly sentAtMs: number;
  /** It was sent on a line that broke in a way that leaves open whether it arrived. */
  doubtful: boolean;
}

/** Takes the calls of one batch from the front of the queue, without those that were settled meanwhile. */
function takeBatch(waiting: Call[]): Call[] {
  let bytes = 0;
  let count = 0;
  for (const call of waiting) {
    if (count > 0 && (count >= MAX_BATCH_ITEMS || bytes + call.bytes > MAX_BATCH_BYTES)) break;
    bytes += call.bytes;
    count++;
  }
  return waiting.splice(0, count).filter((call) => !call.settled);
}
