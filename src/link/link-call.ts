import { create } from "@bufbuild/protobuf";
import { type Answer, type Batch, HolderSchema, type Item, ItemSchema } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { Holder } from "../storage/storage.ts";

/** The caller, which hears once what came of its call. A promise's two ends are such a caller. */
export interface Caller {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** A call that a link was given, until it is settled. */
export interface Call {
  readonly item: Item;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly caller: Caller;
  settled: boolean;
}

/** A batch that waits for its answer. */
export interface SentBatch {
  readonly number: bigint;
  readonly calls: Call[];
  readonly sentAtMs: number;
  /** It was sent on a line that broke in a way that leaves open whether it arrived. */
  doubtful: boolean;
}

const MAX_BATCH_ITEMS = 4_096;
/** Over it a batch holds a single call. */
export const MAX_BATCH_BYTES = 524_288;

/** Takes from the front of the queue what goes into one batch; calls that were settled meanwhile fall away. */
export function takeBatch(waiting: Call[]): Call[] {
  let bytes = 0;
  let count = 0;
  for (const call of waiting) {
    if (count > 0 && (count >= MAX_BATCH_ITEMS || bytes + call.bytes > MAX_BATCH_BYTES)) break;
    bytes += call.bytes;
    count++;
  }
  return waiting.splice(0, count).filter((call) => !call.settled);
}

/** The message that carries a batch. */
export function batchOf({ number, calls }: SentBatch, line: string, to: Holder, from: Holder | undefined): Batch {
  // A caller that no longer waits has been told that the fate is unknown: an empty item keeps its place and delivers nothing.
  const items = calls.map((call) => (call.settled ? create(ItemSchema) : call.item));
  // Written out: `create` looks at each item again.
  const batch: Batch = { $typeName: "meshsocket.node.v1.Batch", line, toLife: to.life, number, items };
  if (from) batch.from = create(HolderSchema, from);
  return batch;
}
