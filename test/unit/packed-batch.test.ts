import assert from "node:assert/strict";
import { test } from "node:test";
import { create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  type Batch,
  type BatchAnswer,
  BatchAnswerSchema,
  BatchSchema,
  type Item,
  ItemSchema,
  Outcome,
} from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { MessageSplitter } from "../../src/link/bytes.ts";
import { BatchPacker, BatchUnpacker, packAnswer, unpackAnswer } from "../../src/link/packed-batch.ts";

const MAX_BYTES = 1_000_000;

const name = fc.string({ unit: "grapheme", maxLength: 40 });
const data = fc.uint8Array({ maxLength: 300 });
const kind: fc.Arbitrary<MessageInitShape<typeof ItemSchema>["kind"]> = fc.oneof(
  fc.record({ case: fc.constant("emit" as const), value: fc.record({ id: name, data, binary: fc.boolean() }) }),
  fc.record({ case: fc.constant("broadcast" as const), value: fc.record({ data, except: fc.array(name) }) }),
  fc.record({ case: fc.constant("publish" as const), value: fc.record({ topic: name, data, binary: fc.boolean() }) }),
  fc.record({
    case: fc.constant("evict" as const),
    value: fc.record({ id: name, claim: fc.bigInt(0n, 2n ** 64n - 1n) }),
  }),
  fc.record({ case: fc.constant("online" as const), value: fc.record({ id: name }) }),
  fc.constant(undefined),
);
const item: fc.Arbitrary<Item> = kind.map((made) => create(ItemSchema, made ? { kind: made } : {}));
const holder = fc.option(fc.record({ host: name, life: name }), { nil: undefined });
const batch: fc.Arbitrary<Batch> = fc.record({
  line: name,
  toLife: name,
  number: fc.bigInt(0n, 2n ** 64n - 1n),
  items: fc.array(item, { maxLength: 8 }),
  from: holder,
}).map(({ from, ...rest }) => create(BatchSchema, { ...rest, ...(from && { from }) }));

const answer: fc.Arbitrary<BatchAnswer> = fc.record({
  number: fc.bigInt(0n, 2n ** 64n - 1n),
  life: fc.constantFrom("", "b"),
  outcome: fc.constantFrom(Outcome.TAKEN, Outcome.OTHER_LIFE, Outcome.UNKNOWN),
  answers: fc.array(
    fc.record({
      status: fc.integer({ min: 0, max: 8 }),
      delivered: fc.constantFrom(0, 0, 0, 7),
      ids: fc.constantFrom<string[]>([], [], ["x"]),
      data: fc.constantFrom(new Uint8Array(), new Uint8Array(), new Uint8Array([1])),
    }),
    { maxLength: 8 },
  ),
}).map((init) => create(BatchAnswerSchema, init as MessageInitShape<typeof BatchAnswerSchema>));

/** Bytes cut into pieces at these places. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.byteLength + 1)))].toSorted((one, other) => one - other);
  return [0, ...at].map((start, index) => bytes.slice(start, at[index] ?? bytes.byteLength));
}

/** The messages in bytes that come in these pieces. */
function messages(chunks: readonly Uint8Array[]): Uint8Array[] {
  const splitter = new MessageSplitter(MAX_BYTES);
  const whole: Uint8Array[] = [];
  for (const chunk of chunks) splitter.split(chunk, (message) => whole.push(message));
  return whole;
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(chunks.flatMap((chunk) => [...chunk]));
}

test("batches of every kind come out of a stream as they went in, however it was cut", () => {
  fc.assert(fc.property(fc.array(batch, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 12 }), (batches, cuts) => {
    const packer = new BatchPacker();
    const unpacker = new BatchUnpacker();
    const bytes = concat(batches.map((one) => packer.pack(one)));
    const got = messages(pieces(bytes, cuts)).flatMap((message) => unpacker.unpack(message) ?? []);
    assert.equal(got.length, batches.length);
    for (const [index, one] of batches.entries()) {
      assert.ok(equals(BatchSchema, got[index] as Batch, one), `batch ${index}`);
    }
  }));
});

test("answers come out as they went in, with the life where it is not this line's own", () => {
  fc.assert(fc.property(answer, (one) => {
    const [message] = messages([packAnswer(one)]);
    const got = unpackAnswer(message as Uint8Array);
    // What was taken was taken by the life that the batch named.
    const life = got.outcome === Outcome.TAKEN ? got.life : one.life;
    assert.ok(equals(BatchAnswerSchema, got, { ...one, life }));
  }));
});

test("who is around a batch is said once for as long as it stays the same", () => {
  const packer = new BatchPacker();
  const init = { line: "a:0", toLife: "b", from: { host: "here:1", life: "a" } };
  const sizes = [1n, 2n, 3n].map((number) => packer.pack(create(BatchSchema, { ...init, number })).byteLength);
  assert.ok((sizes[0] ?? 0) > (sizes[1] ?? 0));
  assert.equal(sizes[1], sizes[2]);
  const renamed = packer.pack(create(BatchSchema, { ...init, line: "a:1", number: 1n }));
  assert.equal(renamed.byteLength, sizes[0]);
});

test("bytes that are no messages are refused with an error, and never loop or grow", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    for (const read of [(message: Uint8Array) => new BatchUnpacker().unpack(message), unpackAnswer]) {
      try {
        read(bytes);
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }
  }));
});

test("a message that says it is longer than allowed is refused before it is there", () => {
  const splitter = new MessageSplitter(1_000);
  assert.throws(() => splitter.split(new Uint8Array([0xe9, 3, 0, 0]), () => assert.fail("a message")), RangeError);
});
