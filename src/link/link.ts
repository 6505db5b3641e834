import { create } from "@bufbuild/protobuf";
import { backoffMs } from "../base/backoff.ts";
import { MeshError } from "../base/error.ts";
import {
  type Answer,
  AnswerSchema,
  type Batch,
  type BatchAnswer,
  BatchSchema,
  type Item,
  Outcome,
  Status,
} from "../gen/meshsocket/node/v1/node_pb.ts";
import { batchOf, type Call, type Caller, MAX_BATCH_BYTES, type SentBatch, takeBatch } from "./link-call.ts";
import type { Line } from "./line.ts";
import { LineName } from "./line-name.ts";
import type { LinkOptions } from "./link-options.ts";
import type { Holder } from "../storage/storage.ts";
import { afterTick } from "../base/tick.ts";

/** Errors by which a node says, before it takes anything, that it will not: another attempt would meet the same. */
const REFUSED: ReadonlySet<string> = new Set(["unauthenticated", "permission_denied", "unimplemented"]);

const MISSING = new MeshError("internal", "an answer is missing");

/** The answer where another life answers than the one that was called: nothing was taken, and who has the id is not known. */
export const OTHER_LIFE: Answer = create(AnswerSchema, { status: Status.NOT_HERE });

/**
 * A node's batched, ordered line to one life of one other node.
 *
 * Calls leave in order, in batches that form by themselves. Each call gets its answer, or one of these errors:
 * `unavailable` (it was never sent, or never arrived), `deadline_exceeded` and `unknown` (it may have arrived),
 * `resource_exhausted` (too much waits already). When a line breaks, what it left unanswered is sent again with its old
 * number; the receiver takes each number once and repeats the answer for one it knows, so nothing is delivered twice.
 */
export class Link {
  readonly to: Holder;
  readonly #options: LinkOptions;
  #line: Line | undefined;
  readonly #name = new LineName();
  #lastNumber = 0n;
  #waiting: Call[] = [];
  #sent = new Map<bigint, SentBatch>();
  #calls = 0;
  #bytes = 0;
  #flushScheduled = false;
  #heardAtMs = 0;
  #pingedAtMs = 0;
  #heardOnLine = false;
  #failures = 0;
  /** Until then new calls get the same error: the node could not be reached, or takes nothing from us. */
  #refusing: { readonly error: MeshError; readonly untilMs: number } | undefined;
  /** The line broke; it is opened again at this moment. */
  #reopenAtMs = 0;
  #closed: MeshError | undefined;

  constructor(options: LinkOptions) {
    this.to = options.to;
    this.#options = options;
  }

  /** Sends one item; `bytes` is about its size, `deadlineMs` a moment on the monotonic clock. */
  call(item: Item, bytes: number, deadlineMs: number, caller: Caller): void {
    const refusal = this.#refusal(bytes);
    if (refusal) {
      caller.reject(refusal);
      return;
    }
    this.#waiting.push({ item, bytes, deadlineMs, caller, settled: false });
    this.#calls++;
    this.#bytes += bytes;
    this.#options.onActive();
    this.#scheduleFlush();
  }

  /** Rejects what is under way and takes no more. */
  close(error: MeshError = new MeshError("unavailable", "the link is closed")): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#line?.close();
    this.#line = undefined;
    // A batch that was sent may have been taken: its answer can no longer come.
    this.#doubt();
    this.#failAll(error);
  }

  #refusal(bytes: number): MeshError | undefined {
    if (this.#closed) return this.#closed;
    const { maxBytes, maxCalls } = this.#options;
    if (this.#calls >= maxCalls || (this.#calls > 0 && this.#bytes + bytes > maxBytes)) {
      return new MeshError("resource_exhausted", `too much waits for ${this.to.host} already`);
    }
    const { error, untilMs } = this.#refusing ?? { error: undefined, untilMs: 0 };
    return !this.#line && performance.now() < untilMs ? error : undefined;
  }

  // ---- sending ----

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    afterTick(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#closed || this.#waiting.length === 0) return;
    if (this.#line) this.#sendWaiting();
    else if (performance.now() >= this.#reopenAtMs) this.#reopen();
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#sent.size < this.#options.maxInFlight) this.#sendBatch();
  }

  #openLine(): Line {
    this.#heardAtMs = performance.now();
    this.#pingedAtMs = 0;
    this.#heardOnLine = false;
    const line: Line = this.#options.open({
      answered: (answer) => {
        if (this.#line === line) this.#answered(answer);
      },
      tooLong: (number) => {
        if (this.#line === line) this.#tooLong(number);
      },
      broken: (error) => {
        if (this.#line === line) this.#broken(error);
      },
    });
    return line;
  }

  #sendBatch(): void {
    const calls = takeBatch(this.#waiting);
    if (calls.length === 0) return;
    const sent: SentBatch = { number: ++this.#lastNumber, calls, sentAtMs: performance.now(), doubtful: false };
    this.#sent.set(sent.number, sent);
    this.#line?.send(this.#batch(sent));
  }

  #batch(sent: SentBatch): Batch {
    const { from, to } = this.#options;
    return batchOf(sent, this.#name.text, to, from?.());
  }

  #ping(): void {
    this.#pingedAtMs = performance.now();
    this.#line?.send(create(BatchSchema, { line: this.#name.text, toLife: this.to.life, number: 0n }));
  }

  // ---- answers ----

  #answered(answer: BatchAnswer): void {
    this.#heardAtMs = performance.now();
    this.#heardOnLine = true;
    this.#failures = 0;
    if (answer.outcome === Outcome.OTHER_LIFE) {
      this.#otherLife();
      return;
    }
    const sent = this.#sent.get(answer.number);
    if (!sent) return;
    if (answer.outcome !== Outcome.TAKEN) {
      this.#startOver();
      return;
    }
    this.#sent.delete(answer.number);
    for (let index = 0; index < sent.calls.length; index++) {
      const call = sent.calls[index] as Call;
      const one = answer.answers[index];
      if (one) this.#resolve(call, one);
      else this.#reject(call, MISSING);
    }
    this.#flush();
  }

  /** Nothing of this link's was taken by the life that answers now. What an earlier line carried may have been taken by the former. */
  #otherLife(): void {
    const doubt = new MeshError("unknown", `${this.to.host} started again while it held the message`);
    for (const { calls, doubtful } of this.#sent.values()) {
      for (const call of calls) {
        if (doubtful) this.#reject(call, doubt);
        else this.#resolve(call, OTHER_LIFE);
      }
    }
    for (const call of this.#waiting) this.#resolve(call, OTHER_LIFE);
    this.#options.onOtherLife();
    this.close();
  }

  /** The receiver no longer knows this line's numbers: what was sent is in doubt, what was not goes out under a new name. */
  #startOver(): void {
    const error = new MeshError("unknown", `${this.to.host} no longer knows what it took`);
    for (const sent of this.#sent.values()) {
      for (const call of sent.calls) this.#reject(call, error);
    }
    this.#line?.close();
    this.#line = undefined;
    this.#rename();
    this.#scheduleFlush();
  }

  /** Starts the numbers again under a new name: some of the old ones will never be sent. */
  #rename(): void {
    this.#sent.clear();
    this.#name.renew();
    this.#lastNumber = 0n;
  }

  #resolve(call: Call, answer: Answer): void {
    if (this.#settle(call)) call.caller.resolve(answer);
  }

  #reject(call: Call, error: MeshError): void {
    if (this.#settle(call)) call.caller.reject(error);
  }

  /** False when the call was settled before. */
  #settle(call: Call): boolean {
    if (call.settled) return false;
    call.settled = true;
    this.#calls--;
    this.#bytes -= call.bytes;
    return true;
  }

  // ---- faults ----

  /** The other node takes no batch of that length: the batch keeps its number and goes out empty. */
  #tooLong(number: bigint): void {
    const sent = this.#sent.get(number);
    if (!sent) return;
    if (sent.calls.every(({ settled }) => settled)) {
      // Not even an empty batch gets through.
      this.#line?.close();
      this.#broken(new MeshError("unknown", "the other node takes no batches"));
      return;
    }
    for (const call of sent.calls) this.#reject(call, tooLongError(this.to.host));
    this.#line?.send(this.#batch(sent));
  }

  #broken(error: MeshError): void {
    this.#line = undefined;
    if (error.code === "resource_exhausted") this.#rejectLongest();
    const neverTaken = REFUSED.has(error.code) || (error.code === "unavailable" && !this.#heardOnLine);
    const waitMs = backoffMs(this.#failures++);
    if (neverTaken) {
      this.#refusing = { error, untilMs: performance.now() + waitMs };
      this.#failAll(error);
      return;
    }
    this.#doubt();
    // Whoever waits has a deadline: until then the batches can be sent again, and are taken once.
    if (this.#failures === 1) this.#reopen();
    else this.#reopenAtMs = performance.now() + waitMs;
  }

  /** A stream ended because one of its batches was too long for the other node: that is the longest of them. */
  #rejectLongest(): void {
    const bytesOf = ({ calls }: SentBatch): number => calls.reduce((sum, { bytes }) => sum + bytes, 0);
    const [longest] = [...this.#sent.values()].toSorted((one, other) => bytesOf(other) - bytesOf(one));
    if (!longest || bytesOf(longest) <= MAX_BATCH_BYTES) return;
    for (const call of longest.calls) this.#reject(call, tooLongError(this.to.host));
  }

  /** Opens a line if somebody waits, and sends again what was unanswered. */
  #reopen(): void {
    if (this.#calls === 0) return;
    const line = this.#openLine();
    this.#line = line;
    for (const sent of this.#sent.values()) line.send(this.#batch(sent));
    this.#sendWaiting();
  }

  #doubt(): void {
    for (const sent of this.#sent.values()) sent.doubtful = true;
  }

  /** Rejects every call: with `unknown` where it is in doubt, else with the error, which says that it was not taken. */
  #failAll(error: MeshError): void {
    const doubt = new MeshError("unknown", `the line to ${this.to.host} broke`, { cause: error });
    for (const sent of this.#sent.values()) {
      const why = sent.doubtful ? doubt : error;
      for (const call of sent.calls) this.#reject(call, why);
    }
    for (const call of this.#waiting) this.#reject(call, error);
    this.#waiting = [];
    if (this.#sent.size > 0) this.#rename();
  }

  // ---- time ----

  /** Looks at the clock; to be called a few times a second. False: there is nothing to watch over. */
  onTime(now: number): boolean {
    if (this.#calls > 0) this.#expire(now);
    else if (this.#sent.size === 0 && !this.#options.keepOpen) this.#rest();
    if (this.#line) this.#watchSilence(now);
    else if (now >= this.#reopenAtMs) this.#reopen();
    return this.#calls > 0 || this.#line !== undefined;
  }

  /** Gives up the line until the next call. */
  #rest(): void {
    this.#line?.close();
    this.#line = undefined;
  }

  #expire(now: number): void {
    const late = new MeshError("deadline_exceeded", `${this.to.host} did not answer in time`);
    const expire = (call: Call): void => {
      if (call.deadlineMs <= now) this.#reject(call, late);
    };
    for (const sent of this.#sent.values()) sent.calls.forEach(expire);
    this.#waiting.forEach(expire);
  }

  #watchSilence(now: number): void {
    const { silenceMs, pingMs } = this.#options;
    const pinged = this.#pingedAtMs > this.#heardAtMs ? this.#pingedAtMs : undefined;
    const askedAtMs = this.#sent.values().next().value?.sentAtMs ?? pinged;
    if (askedAtMs === undefined) {
      if (now - this.#heardAtMs > pingMs) this.#ping();
    } else if (now - Math.max(askedAtMs, this.#heardAtMs) > silenceMs) {
      this.#line?.close();
      this.#broken(new MeshError("unknown", `${this.to.host} is silent`));
    }
  }
}

function tooLongError(host: string): MeshError {
  return new MeshError(
    "resource_exhausted",
    `the message is longer than ${host} takes: raise limits.maxMessageBytes there`,
  );
}
