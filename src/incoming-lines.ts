import type { Batch } from "./gen/meshsocket/node/v1/node_pb.ts";
import { IncomingPackedLine, type PackedLineHost } from "./packed-line.ts";
import { untilAborted } from "./until-aborted.ts";

/**
 * The lines that other nodes hold to this one.
 *
 * After this process stood still, what its lines have waiting is older than its senders waited: cut, it is lost, and
 * they send again what is not, with the numbers it had.
 */
export class IncomingLines {
  readonly #serving: () => boolean;
  readonly #lines = new Set<AbortController>();
  readonly #packed = new Set<IncomingPackedLine>();

  /** `serving` says whether what arrives may be taken now. */
  constructor(serving: () => boolean) {
    this.#serving = serving;
  }

  /** The batches of one line, until the signal is aborted, the line is cut or this node does not serve. */
  async *read(batches: AsyncIterable<Batch>, signal: AbortSignal): AsyncIterable<Batch> {
    const line = new AbortController();
    this.#lines.add(line);
    try {
      for await (const batch of untilAborted(batches, AbortSignal.any([signal, line.signal]))) {
        if (!this.#serving() || line.signal.aborted) return;
        yield batch;
      }
    } finally {
      this.#lines.delete(line);
    }
  }

  /** The receiving end of a packed line, until it is cut or this node does not serve. */
  packed(host: PackedLineHost): IncomingPackedLine {
    const deliver: PackedLineHost["deliver"] = (batch) => (this.#serving() ? host.deliver(batch) : undefined);
    const line: IncomingPackedLine = new IncomingPackedLine({ ...host, deliver }, () => this.#packed.delete(line));
    this.#packed.add(line);
    return line;
  }

  /** Ends all lines. */
  cut(): void {
    for (const line of [...this.#packed]) line.close();
    for (const line of this.#lines) line.abort();
  }
}
