import type { Client } from "@connectrpc/connect";
import { MeshError } from "../base/error.ts";
import type { Batch, BatchAnswer, Node } from "../gen/meshsocket/node/v1/node_pb.ts";
import { Pipe } from "../base/pipe.ts";
import { fromRpcError } from "../rpc/error.ts";

/** One way to carry batches to a node: a long-lived stream, or a call for each. */
export interface Line {
  /** Sends a batch; its answer comes to {@link LineEvents}. */
  send(batch: Batch): void;
  /** Gives the line up; nothing is told of it any more. */
  close(): void;
}

/** Hears what happens on a {@link Line}. */
export interface LineEvents {
  answered(answer: BatchAnswer): void;
  /** The other node takes no batch of that length: it got nothing of it, and waits for that number still. */
  tooLong(number: bigint): void;
  /** The line is of no more use. `unavailable`: nothing sent on it arrived. Any other code: nobody knows. Called at most once. */
  broken(error: MeshError): void;
}

/** Opens a line; called again after one broke. */
export type OpenLine = (events: LineEvents) => Line;

/** The generated client of the node-to-node service. */
export type NodeClient = Client<typeof Node>;

/** Makes lines to the node at `host` that are one stream of batches and answers. */
export function streamLine(client: NodeClient, host: string): OpenLine {
  return (events) => {
    const aborted = new AbortController();
    const batches = new Pipe<Batch>();
    const read = async (): Promise<never> => {
      for await (const answer of client.link(batches, { signal: aborted.signal })) events.answered(answer);
      throw new MeshError("unknown", "the other node ended the line");
    };
    read().catch((error: unknown) => {
      if (!aborted.signal.aborted) events.broken(fromRpcError(error, { host }));
      batches.end();
    });
    return {
      send: (batch) => batches.push(batch),
      close: () => {
        batches.end();
        aborted.abort();
      },
    };
  };
}

/** Makes lines to the node at `host` that carry each batch in a call of its own, for callers that cannot hold a stream. */
export function unaryLine(client: NodeClient, host: string, timeoutMs: number): OpenLine {
  return (events) => {
    const aborted = new AbortController();
    return {
      send: (batch) => {
        client.deliver(batch, { signal: aborted.signal, timeoutMs }).then(
          (answer) => events.answered(answer),
          (error: unknown) => {
            if (aborted.signal.aborted) return;
            const why = fromRpcError(error, { host });
            if (why.code === "resource_exhausted") {
              events.tooLong(batch.number);
              return;
            }
            aborted.abort();
            events.broken(why);
          },
        );
      },
      close: () => aborted.abort(),
    };
  };
}
