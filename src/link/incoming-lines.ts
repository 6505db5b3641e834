import type { Batch, BatchAnswer } from "../gen/meshsocket/node/v1/node_pb.ts";
import { type Limits, rpcBytes } from "../base/limits.ts";
import { IncomingPackedLine } from "./packed-line.ts";
import { untilAborted } from "../base/until-aborted.ts";

/** What {@link IncomingLines} stand on. */
export interface IncomingLinesOptions {
  /** Whether what arrives may be taken now. */
  serving: () => boolean;
  /** Takes a batch of a packed line and answers it. */
  deliver: (batch: Batch) => Promise<BatchAnswer>;
  limits: Readonly<Limits>;
  /** Aborted when this node leaves the cluster: then all lines end. */
  stopped: AbortSignal;
}

/**
 * The lines that other nodes hold to this one.
 *
 * After this process stood still, what its lines have waiting is older than its senders waited: cut, it is lost, and
 * they send again what is not, with the numbers it had.
 */
export class IncomingLines {
  readonly #options: IncomingLinesOptions;
  readonly #lines = new Set<AbortController>();
  readonly #packed = new Set<IncomingPackedLine>();

  constructor(options: IncomingLinesOptions) {
    this.#options = options;
    options.stopped.addEventListener("abort", () => this.cut());
  }

  /** The batches of one line, until the signal is aborted, the line is cut or this node does not serve. */
  async *read(batches: AsyncIterable<Batch>, signal: AbortSignal): AsyncIterable<Batch> {
    const { serving, stopped } = this.#options;
    const line = new AbortController();
    this.#lines.add(line);
    try {
      for await (const batch of untilAborted(batches, AbortSignal.any([signal, stopped, line.signal]))) {
        if (!serving() || line.signal.aborted) return;
        yield batch;
      }
    } finally {
      this.#lines.delete(line);
    }
  }

  /** The receiving end of a packed line, until it is cut or this node does not serve. */
  packed(): IncomingPackedLine {
    const { serving, deliver, limits, stopped } = this.#options;
    const line: IncomingPackedLine = new IncomingPackedLine({
      deliver: (batch) => (serving() && !stopped.aborted ? deliver(batch) : undefined),
      maxBytes: rpcBytes(limits).readMaxBytes,
      maxBufferedBytes: limits.maxLinkBytes,
    }, () => this.#packed.delete(line));
    this.#packed.add(line);
    return line;
  }

  /** Ends all lines. */
  cut(): void {
    for (const line of [...this.#packed]) line.close();
    for (const line of this.#lines) line.abort();
  }
}
