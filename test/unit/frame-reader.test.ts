import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { type FrameSink, readFrames, type Unfinished } from "../../adapters/ws/frame-reader.ts";
import { MessageBuffer } from "../../adapters/ws/message-buffer.ts";
import { frameOf } from "../security/target.ts";

const MAX_MESSAGE_BYTES = 1_000;

/** What a reader said, as one line for each call. */
class Heard implements FrameSink {
  readonly lines: string[] = [];
  readonly messages: (string | Uint8Array)[] = [];
  readonly inflates: boolean = false;
  fragmentsLeft = Infinity;

  message(data: string | Uint8Array): void {
    this.messages.push(data);
    this.lines.push(typeof data === "string" ? `text ${data}` : `bytes ${Buffer.from(data).toString("hex")}`);
  }
  pinged(payload: Uint8Array): void {
    this.lines.push(`ping ${Buffer.from(payload).toString()}`);
  }
  ponged(): void {
    this.lines.push("pong");
  }
  peerClosed(code: number, reason: string): void {
    this.lines.push(`close ${code} ${reason}`);
  }
  fault(code: number): void {
    this.lines.push(`fault ${code}`);
  }
  inflate(): number {
    return 1002;
  }
  fragments(count: number): boolean {
    this.fragmentsLeft -= count;
    return this.fragmentsLeft >= 0;
  }
}

/** Reads bytes in chunks that end at `cuts`; returns what was heard and what is unfinished. */
function read(
  bytes: Uint8Array,
  cuts: readonly number[] = [],
  heard = new Heard(),
): [string[], Unfinished | undefined] {
  let unfinished: Unfinished | undefined;
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    unfinished = readFrames(Buffer.from(bytes.subarray(from, to)), unfinished, MAX_MESSAGE_BYTES, heard);
    from = to;
    if (/^(?:close|fault)/.test(heard.lines.at(-1) ?? "")) break;
  }
  return [heard.lines, unfinished];
}

const STREAM = Buffer.concat([
  frameOf(1, "plain"),
  frameOf(2, Buffer.of(0, 255)),
  frameOf(1, "é漢😀".repeat(30)),
  frameOf(9, "p"),
  frameOf(1, "a😀".slice(0, 1), { fin: false }),
  frameOf(10, "q"),
  frameOf(0, Buffer.from("😀").subarray(0, 3), { fin: false }),
  frameOf(9),
  frameOf(0, "", { fin: false }),
  frameOf(0, Buffer.from("😀").subarray(3)),
  frameOf(2, Buffer.alloc(300, 7)),
  frameOf(1, ""),
  frameOf(8, Buffer.from([0x03, 0xe8, 0x6f, 0x6b])),
]);

const HEARD = [
  "text plain",
  "bytes 00ff",
  `text ${"é漢😀".repeat(30)}`,
  "ping p",
  "pong",
  "ping ",
  "text a😀",
  `bytes ${"07".repeat(300)}`,
  "text ",
  "close 1000 ok",
];

test("frames that come in one chunk are heard in order", () => {
  assert.deepEqual(read(STREAM)[0], HEARD);
});

test("frames that come byte by byte are heard as if they had come at once", () => {
  assert.deepEqual(read(STREAM, Array.from({ length: STREAM.length }, (_, index) => index))[0], HEARD);
});

test("frames that are cut in two at any place are heard as if they had come at once", () => {
  for (let cut = 0; cut <= STREAM.length; cut++) assert.deepEqual(read(STREAM, [cut])[0], HEARD, `cut at ${cut}`);
});

test("between two messages nothing is kept, and within a header only its bytes", () => {
  const bytes = frameOf(1, "hello");
  assert.equal(read(bytes)[1], undefined);
  for (let cut = 1; cut < 6; cut++) {
    const [, unfinished] = read(bytes.subarray(0, cut));
    assert.deepEqual(unfinished, {
      head: new Uint8Array(bytes.subarray(0, cut)),
      frame: undefined,
      message: undefined,
    });
  }
});

test("bytes reach the application as a Uint8Array that fills its buffer, whole or in pieces", () => {
  const bytes = frameOf(2, Buffer.alloc(500, 3));
  const fragments = Buffer.concat([
    frameOf(2, Buffer.alloc(100, 3), { fin: false }),
    frameOf(0, Buffer.alloc(50, 3), { fin: false }),
    frameOf(0, Buffer.alloc(350, 3)),
  ]);
  for (const [sent, cuts] of [[bytes, []], [bytes, [8, 100, 300]], [fragments, []], [fragments, [200]]] as const) {
    const heard = new Heard();
    read(sent, cuts, heard);
    const [message] = heard.messages;
    assert.ok(message instanceof Uint8Array);
    assert.equal(message.constructor, Uint8Array);
    assert.equal(message.buffer.byteLength, 500);
    assert.ok(message.every((byte) => byte === 3));
  }
});

test("invalid text fails at its fragment, and at the first byte that nothing can mend", () => {
  assert.deepEqual(read(frameOf(1, Buffer.of(0x61, 0xff), { fin: false }))[0], ["fault 1007"]);
  const long = frameOf(1, Buffer.concat([Buffer.of(0xf4, 0x90), Buffer.alloc(500, 0x61)]));
  assert.deepEqual(read(long.subarray(0, 9))[0], []);
  assert.deepEqual(read(long.subarray(0, 10))[0], ["fault 1007"]);
});

test("a fault is found as soon as its byte is there", () => {
  assert.deepEqual(read(Buffer.of(0xc1))[0], ["fault 1002"]);
  assert.deepEqual(read(Buffer.of(0x81, 0x05))[0], ["fault 1002"]);
  assert.deepEqual(read(Buffer.of(0x89, 0xfe))[0], ["fault 1002"]);
  assert.deepEqual(read(Buffer.of(0x82, 0xfe, 0xff, 0xff))[0], ["fault 1009"]);
  assert.deepEqual(read(Buffer.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0))[0], ["fault 1009"]);
});

test("what a header announces takes no memory before it comes", () => {
  let unfinished: Unfinished | undefined;
  const head = frameOf(2, "", { length: 1n << 30n });
  unfinished = readFrames(head, unfinished, 2 ** 31, new Heard());
  unfinished = readFrames(Buffer.alloc(10), unfinished, 2 ** 31, new Heard());
  assert.equal(unfinished?.message?.byteLength, 10);
  assert.ok((unfinished.message.message() as Uint8Array).buffer.byteLength < 1_000);
});

test("a message of very many fragments is not copied for each of them", () => {
  const message = new MessageBuffer(false);
  let copies = 0;
  let room = 0;
  for (let sent = 0; sent < 20_000; sent++) {
    message.append(Buffer.of(0x61), 0, Infinity);
    if (message.room === room) continue;
    room = message.room;
    copies++;
  }
  assert.equal(message.message(), "a".repeat(20_000));
  assert.ok(copies < 20, `${copies} copies`);
});

test("fragments that come too fast close with 1008, after the messages that came with them", () => {
  const heard = new Heard();
  heard.fragmentsLeft = 3;
  const two = Buffer.concat([frameOf(1, "a", { fin: false }), frameOf(0, "b")]);
  assert.deepEqual(read(Buffer.concat([two, two]), [two.length], heard)[0], ["text ab", "text ab", "fault 1008"]);
});
