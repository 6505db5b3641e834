import { create } from "@bufbuild/protobuf";
import { backoffMs } from "../base/backoff.ts";
import { bump, Counters } from "../base/counters/counters.ts";
import { MeshError } from "../base/error.ts";
import { afterTick } from "../base/tick.ts";
import { type BatchAnswer, BatchSchema, type Item, Outcome } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { Line, OpenLine } from "./line.ts";
import { type Caller, SendWindow, type SendWindowLimits } from "./send-window.ts";
import type { Holder } from "../storage/storage.ts";

/** Errors by which a node says, before it takes anything, that it will not: another attempt would meet the same. */
const REFUSED: ReadonlySet<string> = new Set(["unauthenticated", "permission_denied", "unimplemented"]);

/**
 * A node's batched, ordered line to one life of one other node.
 *
 * Calls leave in order, in batches that form by themselves. Each call gets its answer, or one of these errors:
 * `unavailable` (it was never sent, or never arrived), `deadline_exceeded` and `unknown` (it may have arrived),
 * `resource_exhausted` (too many calls wait already, or the other node takes no message of that length). When a line breaks,
 * its unanswered batches are sent again with their old numbers; the receiver takes each number once and repeats the answer
 * for one that it knows, so nothing is delivered twice.
 */
export class Link {
  readonly to: Holder;
  readonly #deps: LinkDependencies;
  readonly #window: SendWindow;
  readonly #counters: Counters;
  #line: Line | undefined;
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

  constructor(deps: LinkDependencies) {
    this.to = deps.to;
    this.#deps = deps;
    this.#counters = deps.counters ?? new Counters();
    this.#window = new SendWindow(deps.to, deps.from, deps);
  }

  /** Whether a line is open, and how many calls wait for an answer. */
  get load(): { readonly open: boolean; readonly calls: number } {
    return { open: this.#line !== undefined, calls: this.#window.calls };
  }

  /** Sends one item; `bytes` is about its size, `deadlineMs` a moment on the monotonic clock. */
  call(item: Item, bytes: number, deadlineMs: number, caller: Caller): void {
    const refusal = this.#refusal(bytes);
    if (refusal) {
      caller.reject(refusal);
      return;
    }
    this.#window.add(item, bytes, deadlineMs, caller);
    this.#deps.onActive();
    this.#scheduleFlush();
  }

  /** Rejects the calls that are under way and takes no more. */
  close(error: MeshError = new MeshError("unavailable", "the link is closed")): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#dropLine();
    // A batch that was sent may have been taken: its answer can no longer come.
    this.#window.doubt();
    this.#window.failAll(error);
  }

  #refusal(bytes: number): MeshError | undefined {
    if (this.#closed) return this.#closed;
    if (this.#window.isFullFor(bytes)) {
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
    if (this.#closed || this.#window.waiting === 0) return;
    if (this.#line) this.#sendWaiting(this.#line);
    else if (performance.now() >= this.#reopenAtMs) this.#reopen();
  }

  #sendWaiting(line: Line): void {
    for (let sent = this.#window.next(); sent; sent = this.#window.next()) line.send(this.#window.message(sent));
  }

  #openLine(): Line {
    this.#heardAtMs = performance.now();
    this.#pingedAtMs = 0;
    this.#heardOnLine = false;
    const line: Line = this.#deps.open({
      answered: (answer) => {
        if (this.#line === line) this.#answered(answer);
      },
      tooLong: (number) => {
        if (this.#line === line) this.#tooLong(line, number);
      },
      broken: (error) => {
        if (this.#line === line) this.#broken(error);
      },
    });
    return line;
  }

  /** Opens a line if a call waits, and sends the unanswered batches again. */
  #reopen(): void {
    if (this.#window.calls === 0) return;
    const line = this.#openLine();
    this.#line = line;
    this.#counters.linkOpens++;
    this.#counters.linksNow++;
    for (const sent of this.#window.sent) line.send(this.#window.message(sent));
    this.#sendWaiting(line);
  }

  #dropLine(): void {
    this.#line?.close();
    this.#gone();
  }

  #gone(): void {
    if (this.#line) this.#counters.linksNow--;
    this.#line = undefined;
  }

  // ---- answers ----

  #answered(answer: BatchAnswer): void {
    this.#heardAtMs = performance.now();
    this.#heardOnLine = true;
    this.#failures = 0;
    if (answer.outcome === Outcome.OTHER_LIFE) {
      this.#window.notHere();
      this.#deps.onOtherLife();
      this.close();
      return;
    }
    const sent = this.#window.batch(answer.number);
    if (!sent) return;
    if (answer.outcome === Outcome.TAKEN) {
      this.#window.resolve(sent, answer);
      this.#flush();
      return;
    }
    // The receiver no longer knows these numbers.
    this.#window.startOver(new MeshError("unknown", `${this.to.host} no longer knows what it took`));
    this.#dropLine();
    this.#scheduleFlush();
  }

  /** The other node takes no batch of that length: the batch keeps its number and goes out empty. */
  #tooLong(line: Line, number: bigint): void {
    const sent = this.#window.batch(number);
    if (!sent) return;
    if (this.#window.rejectTooLong(sent)) {
      line.send(this.#window.message(sent));
      return;
    }
    // Not even an empty batch gets through.
    this.#dropLine();
    this.#broken(new MeshError("unknown", `${this.to.host} takes no batches`));
  }

  // ---- faults and time ----

  #broken(error: MeshError): void {
    this.#gone();
    bump(this.#counters.linkBreaks, error.code);
    if (error.code === "resource_exhausted") this.#window.rejectLongest();
    const neverTaken = REFUSED.has(error.code) || (error.code === "unavailable" && !this.#heardOnLine);
    const waitMs = backoffMs(this.#failures++);
    if (neverTaken) {
      this.#refusing = { error, untilMs: performance.now() + waitMs };
      this.#window.failAll(error);
      return;
    }
    this.#window.doubt();
    // Each call has a deadline: until then its batch can be sent again, and is taken once.
    if (this.#failures === 1) this.#reopen();
    else this.#reopenAtMs = performance.now() + waitMs;
  }

  /** Looks at the clock; to be called a few times a second. False: there is nothing to watch over. */
  onTime(now: number): boolean {
    const window = this.#window;
    if (window.calls > 0) window.expire(now);
    else if (window.answered && !this.#deps.keepOpen) this.#dropLine();
    if (this.#line) this.#watchSilence(this.#line, now);
    else if (now >= this.#reopenAtMs) this.#reopen();
    return window.calls > 0 || this.#line !== undefined;
  }

  #watchSilence(line: Line, now: number): void {
    const { silenceMs, pingMs } = this.#deps;
    const pinged = this.#pingedAtMs > this.#heardAtMs ? this.#pingedAtMs : undefined;
    const [oldest] = this.#window.sent;
    const askedAtMs = oldest?.sentAtMs ?? pinged;
    if (askedAtMs === undefined) {
      if (now - this.#heardAtMs > pingMs) this.#ping(line);
    } else if (now - Math.max(askedAtMs, this.#heardAtMs) > silenceMs) {
      this.#dropLine();
      this.#broken(new MeshError("unknown", `${this.to.host} is silent`));
    }
  }

  #ping(line: Line): void {
    this.#pingedAtMs = performance.now();
    line.send(create(BatchSchema, { line: this.#window.name, toLife: this.to.life, number: 0n }));
  }
}

/** How a {@link Link} behaves. */
export interface LinkDependencies extends SendWindowLimits {
  /** The life of the node that the link leads to. */
  to: Holder;
  /** The sender; undefined if it is not a node. */
  from: (() => Holder) | undefined;
  open: OpenLine;
  /** Whether a line without calls is kept for the next ones. */
  keepOpen: boolean;
  /** Milliseconds without an answer after which the line is taken for dead. */
  silenceMs: number;
  /** Milliseconds of quiet after which the node is asked for a sign of life. */
  pingMs: number;
  /** Called when the link has something to watch over: {@link Link.onTime} is wanted from now on. */
  onActive: () => void;
  /** Called when the node answered as another life: this link leads nowhere. */
  onOtherLife: () => void;
}
