import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { ByteStream, ByteStreamReceiver } from "../../src/link/byte-stream.ts";
import { MeshError } from "../../src/base/error.ts";
import {
  AnswerSchema,
  type Batch,
  type BatchAnswer,
  BatchAnswerSchema,
  BatchSchema,
  Outcome,
  Status,
} from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import type { Line, LineEvents } from "../../src/link/line.ts";
import { emitItem } from "../../src/link/items.ts";
import { Frame } from "../../src/send/frame.ts";
import { IncomingPackedLine } from "../../src/link/incoming-packed-line.ts";
import { packedLine } from "../../src/link/packed-line.ts";
import { until } from "../kit/until.ts";
import { Events } from "../kit/wait.ts";

const MAX_BYTES = 10_000;

function batch(number: bigint): Batch {
  return create(BatchSchema, { line: "a:0", toLife: "b", number });
}

function taken(number: bigint): BatchAnswer {
  return create(BatchAnswerSchema, { number, outcome: Outcome.TAKEN });
}

/** The near end of a stream to a receiver that may come later. */
class TestStream implements ByteStream {
  bufferedAmount = 0;
  maxBytes: number | undefined;
  closed = false;
  readonly written: Uint8Array[] = [];
  to: ByteStreamReceiver | undefined;

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
    this.to?.data(bytes);
  }

  close(): void {
    this.closed = true;
  }
}

/** What a line told its link. */
class Told implements LineEvents {
  readonly answers = new Events<bigint>("an answer");
  readonly breaks = new Events<string>("the end of the line");
  readonly long = new Events<bigint>("a batch that is too long");

  answered(answer: BatchAnswer): void {
    this.answers.add(answer.number);
  }

  tooLong(number: bigint): void {
    this.long.add(number);
  }

  broken(error: MeshError): void {
    this.breaks.add(error.code);
  }
}

/** Both ends of a line, with the answers in the hands of the test. */
function bothEnds(deliver: (batch: Batch) => Promise<BatchAnswer> | undefined): {
  line: Line;
  told: Told;
  there: TestStream;
  back: TestStream;
  incoming: IncomingPackedLine;
} {
  const [told, there, back] = [new Told(), new TestStream(), new TestStream()];
  const incoming = new IncomingPackedLine({ deliver, maxBytes: MAX_BYTES, maxBufferedBytes: 1_000 }, () => {});
  const open = packedLine({
    dial: async (receiver) => {
      back.to = receiver;
      there.to = incoming;
      incoming.open(back);
      return there;
    },
    token: undefined,
    maxBytes: MAX_BYTES,
    otherwise: () => assert.fail("another line"),
  });
  return { line: open(told), told, there, back, incoming };
}

test("what is sent before the stream is open goes out in order, and each batch is answered", async () => {
  const { line, told } = bothEnds(async ({ number }) => taken(number));
  line.send(batch(1n));
  line.send(batch(2n));
  assert.equal(await told.answers.next(), 1n);
  assert.equal(await told.answers.next(), 2n);
  line.send(batch(3n));
  assert.equal(await told.answers.next(), 3n);
});

test("a node that takes no packed lines is asked once, and gets the other kind with what waited", async () => {
  const sent = new Events<bigint>("a batch on the other line");
  let dialled = 0;
  const open = packedLine({
    dial: () => {
      dialled++;
      return Promise.reject(new MeshError("unimplemented", "the node answered HTTP 405"));
    },
    token: undefined,
    maxBytes: MAX_BYTES,
    otherwise: () => ({ send: ({ number }) => sent.add(number), close() {} }),
  });
  const told = new Told();
  open(told).send(batch(1n));
  assert.equal(await sent.next(), 1n);
  open(told).send(batch(2n));
  assert.equal(await sent.next(), 2n);
  assert.equal(dialled, 1);
  assert.deepEqual(told.breaks.waiting, []);
});

test("a batch that is longer than the other node takes is not sent, and the others go on", async () => {
  const { line, told, there } = bothEnds(async ({ number }) => taken(number));
  there.maxBytes = 200;
  const { item } = emitItem("alice", Frame.of("x".repeat(300)));
  line.send(batch(1n));
  assert.equal(await told.answers.next(), 1n);
  const before = there.written.length;
  line.send(create(BatchSchema, { ...batch(2n), items: [item] }));
  assert.equal(await told.long.next(), 2n);
  assert.equal(there.written.length, before);
  line.send(batch(2n));
  line.send(batch(3n));
  assert.deepEqual([await told.answers.next(), await told.answers.next()], [2n, 3n]);
});

test("a stream is tried again after it was refused, and the line ends when one opens, so that the link opens another", async () => {
  const dials = new Events<number>("a dial");
  let dialled = 0;
  let opens = false;
  const stream = new TestStream();
  const open = packedLine({
    dial: () => {
      dials.add(++dialled);
      return opens ? Promise.resolve(stream) : Promise.reject(new MeshError("unimplemented", "HTTP 403"));
    },
    token: undefined,
    maxBytes: MAX_BYTES,
    retryMs: 1,
    otherwise: () => ({ send() {}, close() {} }),
  });
  const told = new Told();
  const line = open(told);
  assert.equal(await dials.next(), 1);
  const sendUntilDial = async (): Promise<void> => {
    const before = dialled;
    await until("another dial", () => {
      line.send(batch(1n));
      return dialled > before;
    });
  };
  await sendUntilDial();
  assert.deepEqual(told.breaks.waiting, []);
  opens = true;
  await sendUntilDial();
  assert.equal(await told.breaks.next(), "unknown");
  assert.equal(stream.closed, true);
});

test("the line breaks with the code of a failed attempt, and with unknown when an open stream ends", async () => {
  const refused = new Told();
  packedLine({
    dial: () => Promise.reject(new MeshError("unauthenticated", "the token is nobody's here")),
    token: undefined,
    maxBytes: MAX_BYTES,
    otherwise: () => assert.fail("another line"),
  })(refused);
  assert.equal(await refused.breaks.next(), "unauthenticated");
  const { told, line, back } = bothEnds(async ({ number }) => taken(number));
  line.send(batch(1n));
  await told.answers.next();
  back.to?.closed();
  assert.equal(await told.breaks.next(), "unknown");
});

test("a line that was closed while it was dialled closes the stream and tells nothing", async () => {
  const stream = new TestStream();
  const dialled = Promise.withResolvers<ByteStream>();
  const dials = new Events<true>("a dial");
  const told = new Told();
  const line = packedLine({
    dial: () => {
      dials.add(true);
      return dialled.promise;
    },
    token: undefined,
    maxBytes: MAX_BYTES,
    otherwise: () => assert.fail("another line"),
  })(told);
  line.send(batch(1n));
  await dials.next();
  line.close();
  dialled.resolve(stream);
  await new Promise<void>((resolve) => setTimeout(resolve));
  assert.equal(stream.closed, true);
  assert.deepEqual([stream.written, told.breaks.waiting], [[], []]);
});

test("the receiving end is cut by what it cannot understand, by a message that is too long, and when nothing is taken now", async () => {
  for (const bytes of [[2, 0, 0, 0, 9, 9], [0xff, 0xff, 0xff, 0xff]]) {
    const { incoming, back } = bothEnds(() => assert.fail("a batch"));
    await Promise.resolve();
    incoming.data(new Uint8Array(bytes));
    assert.equal(back.closed, true);
  }
  const { line, back } = bothEnds(() => undefined);
  line.send(batch(1n));
  await new Promise<void>((resolve) => setTimeout(resolve));
  assert.equal(back.closed, true);
});

test("the receiving end is cut when more is unanswered than a sender leaves, or nobody reads the answers", async () => {
  const waiting = bothEnds(() => new Promise<never>(() => {}));
  for (let number = 1n; number <= 16n; number++) waiting.line.send(batch(number));
  await new Promise<void>((resolve) => setTimeout(resolve));
  assert.equal(waiting.back.closed, false);
  waiting.line.send(batch(17n));
  assert.equal(waiting.back.closed, true);
  const full = bothEnds(async ({ number }) => taken(number));
  full.back.bufferedAmount = 1_001;
  full.line.send(batch(1n));
  await full.told.answers.next();
  assert.equal(full.back.closed, true);
});

test("the receiving end is cut when an answer cannot be told, and the process lives", async () => {
  const impossible = create(AnswerSchema, { status: Status.OK, delivered: -1 });
  const { line, back } = bothEnds(async ({ number }) => ({ ...taken(number), answers: [impossible] }));
  line.send(batch(1n));
  await until("the end of the line", () => back.closed);
});
