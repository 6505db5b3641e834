import type { Batch } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { Inbox, ServingNode } from "./inbox.ts";
import { type Limits, rpcBytes } from "../base/limits.ts";
import { IncomingPackedLine } from "./incoming-packed-line.ts";
import { untilAborted } from "../base/until-aborted.ts";

/**
 * The lines that other nodes hold to this one.
 *
 * After this process stood still, what its lines have waiting is older than its senders waited: cut, it is lost, and
 * they send again what is not, with the numbers it had.
 */
export class IncomingLines {
  readonly #deps: IncomingLinesDependencies;
  readonly #lines = new Set<AbortController>();
  readonly #packed = new Set<IncomingPackedLine>();

  constructor(deps: IncomingLinesDependencies) {
    this.#deps = deps;
    deps.stopped.addEventListener("abort", () => this.cut());
  }

  /** The batches of one line, until the signal is aborted, the line is cut or this node does not serve. */
  async *read(batches: AsyncIterable<Batch>, signal: AbortSignal): AsyncIterable<Batch> {
    const { stopped } = this.#deps;
    const line = new AbortController();
    this.#lines.add(line);
    try {
      for await (const batch of untilAborted(batches, AbortSignal.any([signal, stopped, line.signal]))) {
        if (!this.#serving || line.signal.aborted) return;
        yield batch;
      }
    } finally {
      this.#lines.delete(line);
    }
  }

  /** The receiving end of a packed line, until it is cut or this node does not serve. */
  packed(): IncomingPackedLine {
    const { inbox, limits } = this.#deps;
    const line: IncomingPackedLine = new IncomingPackedLine({
      deliver: (batch) => (this.#serving ? inbox.deliver(batch) : undefined),
      maxBytes: rpcBytes(limits).readMaxBytes,
      maxBufferedBytes: limits.maxLinkBytes,
    }, () => this.#packed.delete(line));
    this.#packed.add(line);
    return line;
  }

  /** Settles when the engine has written all answers, or this node has left. */
  async written(): Promise<void> {
    while (!this.#deps.stopped.aborted && [...this.#packed].some(({ bufferedAmount }) => bufferedAmount > 0)) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  get #serving(): boolean {
    const { node, stopped } = this.#deps;
    return node.servingLife !== undefined && !stopped.aborted;
  }

  /** Ends all lines. */
  cut(): void {
    for (const line of [...this.#packed]) line.close();
    for (const line of this.#lines) line.abort();
  }
}

/** Milliseconds until it is looked again whether answers were written. */
const LOOK_MS = 10;

/** Dependencies of {@link IncomingLines}. */
export interface IncomingLinesDependencies {
  node: ServingNode;
  /** Takes the batches of packed lines. */
  inbox: Pick<Inbox, "deliver">;
  limits: Readonly<Limits>;
  /** Aborted when this node leaves the cluster: then all lines end. */
  stopped: AbortSignal;
}
