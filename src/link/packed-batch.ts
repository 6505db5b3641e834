import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Answer,
  AnswerSchema,
  type Batch,
  type BatchAnswer,
  BatchAnswerSchema,
  BatchSchema,
  type Emit,
  type Item,
  ItemSchema,
  Outcome,
  type Status,
} from "../gen/meshsocket/node/v1/node_pb.ts";
import { PackReader, PackWriter, textBytes } from "./bytes.ts";

/*
 * Batches and their answers on a packed line, byte by byte; all numbers are little-endian.
 *
 *   message  = length:u32 kind:u8 body           the length counts from the kind on
 *   context  = 1 Batch                           Protobuf: line, to_life and from of the batches that follow
 *   batch    = 2 number:u64 *item
 *   item     = 0                                 nothing: it only keeps its place
 *            / 1 id data  / 2 id data            an Emit of text, of bytes; id = length:u16 UTF-8, data = length:u32 bytes
 *            / 3 length:u32 Item                 Protobuf: any other
 *   statuses = 3 number:u64 *status:u8           a BatchAnswer that was taken, and whose answers are no more than that
 *   answer   = 4 BatchAnswer                     Protobuf: any other
 *
 * Protobuf by reflection takes longer for the many small messages of a batch than all the rest of their way.
 */
const CONTEXT = 1;
const BATCH = 2;
const STATUSES = 3;
const ANSWER = 4;

const NOTHING = 0;
const TEXT = 1;
const BINARY = 2;
const OTHER = 3;

/** The head of a message. */
const HEAD_BYTES = 5;
const MAX_STATUS = 255;
const MAX_ID_UNITS = 20_000;

type Context = Pick<Batch, "line" | "toLife" | "from">;

/** Packs the batches of one line. */
export class BatchPacker {
  #told: Context | undefined;

  /** The bytes of a batch, whole messages, and before it of what changed around it. */
  pack(batch: Batch): Uint8Array<ArrayBuffer> {
    const context = this.#isTold(batch) ? undefined : this.#tell(batch);
    const others = batch.items.map((item) => packsAsOther(item) ? toBinary(ItemSchema, item) : undefined);
    const writer = new PackWriter((context?.byteLength ?? 0) + 2 * HEAD_BYTES + 8 + roomFor(batch.items, others));
    if (context) {
      writer.u32(1 + context.byteLength);
      writer.u8(CONTEXT);
      writer.bytes(context);
    }
    const start = writer.at;
    writer.u32(0);
    writer.u8(BATCH);
    writer.u64(batch.number);
    for (let at = 0; at < batch.items.length; at++) writeItem(writer, batch.items[at] as Item, others[at]);
    writer.u32At(start, writer.at - start - 4);
    return writer.taken();
  }

  #isTold({ line, toLife, from }: Batch): boolean {
    const told = this.#told;
    return told !== undefined && told.line === line && told.toLife === toLife && told.from?.life === from?.life &&
      told.from?.host === from?.host;
  }

  #tell({ line, toLife, from }: Batch): Uint8Array {
    this.#told = { line, toLife, ...(from && { from }) };
    return toBinary(BatchSchema, create(BatchSchema, this.#told));
  }
}

/** Unpacks the batches of one line. */
export class BatchUnpacker {
  #context: Context = { line: "", toLife: "" };

  /** The batch of a message without its length; undefined when it only says what is around the next. Throws for any other bytes. */
  unpack(message: Uint8Array): Batch | undefined {
    const reader = new PackReader(message);
    const kind = reader.u8();
    if (kind === CONTEXT) {
      const { line, toLife, from } = fromBinary(BatchSchema, reader.rest());
      this.#context = { line, toLife, ...(from && { from }) };
      return undefined;
    }
    if (kind !== BATCH) throw new RangeError("not a batch");
    const number = reader.u64();
    const items: Item[] = [];
    while (reader.left > 0) items.push(readItem(reader));
    const { line, toLife, from } = this.#context;
    const batch: Batch = { $typeName: "meshsocket.node.v1.Batch", line, toLife, number, items };
    if (from) batch.from = from;
    return batch;
  }
}

/** The bytes of an answer, a whole message. */
export function packAnswer(answer: BatchAnswer): Uint8Array<ArrayBuffer> {
  const { answers, number } = answer;
  if (answer.outcome !== Outcome.TAKEN || !answers.every(isPlain)) return packAnyAnswer(answer);
  const writer = new PackWriter(HEAD_BYTES + 8 + answers.length);
  writer.u32(1 + 8 + answers.length);
  writer.u8(STATUSES);
  writer.u64(number);
  for (const { status } of answers) writer.u8(status);
  return writer.taken();
}

/** The answer of a message without its length. Throws for any other bytes. */
export function unpackAnswer(message: Uint8Array): BatchAnswer {
  const reader = new PackReader(message);
  const kind = reader.u8();
  if (kind === ANSWER) return fromBinary(BatchAnswerSchema, reader.rest().slice());
  if (kind !== STATUSES) throw new RangeError("not an answer");
  const number = reader.u64();
  const answers: Answer[] = [];
  while (reader.left > 0) answers.push(plainAnswer(reader.u8() as Status));
  return { $typeName: "meshsocket.node.v1.BatchAnswer", number, life: "", outcome: Outcome.TAKEN, answers };
}

function packAnyAnswer(answer: BatchAnswer): Uint8Array<ArrayBuffer> {
  const bytes = toBinary(BatchAnswerSchema, answer);
  const writer = new PackWriter(HEAD_BYTES + bytes.byteLength);
  writer.u32(1 + bytes.byteLength);
  writer.u8(ANSWER);
  writer.bytes(bytes);
  return writer.taken();
}

function packsAsOther({ kind, traceparent }: Item): boolean {
  if (kind.case === "emit") return traceparent !== undefined || kind.value.id.length > MAX_ID_UNITS;
  return kind.case !== undefined;
}

function roomFor(items: readonly Item[], others: readonly (Uint8Array | undefined)[]): number {
  let bytes = 0;
  for (let at = 0; at < items.length; at++) {
    const other = others[at];
    const { kind } = items[at] as Item;
    if (other) bytes += 5 + other.byteLength;
    else if (kind.case === "emit") bytes += 7 + textBytes(kind.value.id) + kind.value.data.byteLength;
    else bytes += 1;
  }
  return bytes;
}

function writeItem(writer: PackWriter, { kind }: Item, other: Uint8Array | undefined): void {
  if (other) {
    writer.u8(OTHER);
    writer.u32(other.byteLength);
    writer.bytes(other);
  } else if (kind.case === "emit") {
    const { id, data, binary } = kind.value;
    writer.u8(binary ? BINARY : TEXT);
    writer.text(id);
    writer.u32(data.byteLength);
    writer.bytes(data);
  } else writer.u8(NOTHING);
}

function readItem(reader: PackReader): Item {
  const kind = reader.u8();
  if (kind === NOTHING) return create(ItemSchema);
  // A copy: what Protobuf reads of bytes is a view, which would keep all that came with it in memory.
  if (kind === OTHER) return fromBinary(ItemSchema, reader.bytes(reader.u32()).slice());
  if (kind !== TEXT && kind !== BINARY) throw new RangeError("not an item");
  const id = reader.text();
  const data = reader.bytes(reader.u32());
  const value: Emit = { $typeName: "meshsocket.node.v1.Emit", id, data, binary: kind === BINARY };
  return { $typeName: "meshsocket.node.v1.Item", kind: { case: "emit", value } };
}

/** Whether an answer says no more than its status. */
function isPlain(answer: Answer): boolean {
  if (plain.get(answer.status) === answer) return true;
  const { status, delivered, dropped, held, ids, infos, data, binary, handover, old } = answer;
  return delivered === 0 && dropped === 0 && held === 0 && handover === undefined && old === undefined &&
    ids.length === 0 && infos.length === 0 &&
    data.byteLength === 0 &&
    !binary &&
    status <= MAX_STATUS;
}

/** The answers that say no more than a status, made once: nobody changes an answer. */
const plain = new Map<Status, Answer>();

/** The answer that says no more than its status. */
export function plainAnswer(status: Status): Answer {
  let made = plain.get(status);
  if (!made) plain.set(status, made = create(AnswerSchema, { status }));
  return made;
}
