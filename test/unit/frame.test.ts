import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../../adapters/ws/concat.ts";
import { Frame } from "../../src/send/frame.ts";

const HEADERS: [bytes: number, header: number[]][] = [
  [0, [0x82, 0]],
  [125, [0x82, 125]],
  [126, [0x82, 126, 0, 126]],
  [65_535, [0x82, 126, 0xff, 0xff]],
  [65_536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
];
for (const [bytes, header] of HEADERS) {
  test(`a frame of ${bytes} bytes has the header of RFC 6455`, () => {
    const frame = Frame.of(new Uint8Array(bytes).fill(7));
    assert.deepEqual([...concat([frame]).subarray(0, header.length)], header);
    assert.equal(frame.byteLength, header.length + bytes);
    assert.deepEqual(frame.bytes, new Uint8Array(bytes).fill(7));
    assert.equal(frame.binary, true);
  });
}

test("text is framed as UTF-8 and keeps what it was", () => {
  const frame = Frame.of("\u{feff}é😀");
  assert.equal(concat([frame])[0], 0x81);
  assert.equal(frame.binary, false);
  assert.equal(frame.payload, "\u{feff}é😀");
  assert.equal(Frame.fromBytes(frame.bytes, false).payload, "\u{feff}é😀");
});

test("frames follow each other on the wire, whether their text was made bytes of or not", () => {
  const texts = [
    "",
    "a",
    "é😀",
    "lone \ud800 half",
    "x".repeat(125),
    "é".repeat(1_024),
    "😀".repeat(600),
    "y".repeat(70_000),
  ];
  for (const asBytes of [false, true]) {
    const frames = texts.map((text) => Frame.of(text));
    const encoded = texts.map((text) => new TextEncoder().encode(text));
    if (asBytes) assert.deepEqual(frames.map(({ bytes }) => bytes), encoded);
    const wire = concat(frames);
    let at = 0;
    for (const [index, { byteLength, messageBytes }] of frames.entries()) {
      assert.equal(messageBytes, encoded[index]?.byteLength);
      const message = wire.subarray(at + byteLength - messageBytes, at + byteLength);
      assert.deepEqual(new Uint8Array(message), encoded[index]);
      at += byteLength;
    }
    assert.equal(at, wire.byteLength);
  }
});

test("every kind of bytes is framed, of a view only its own part", () => {
  const buffer = Uint8Array.of(1, 2, 3, 4).buffer;
  const messages = [new Uint8Array(buffer, 1, 2), new DataView(buffer, 1, 2), new Int8Array(buffer, 1, 2)];
  for (const message of messages) assert.deepEqual(Frame.of(message).bytes, Uint8Array.of(2, 3));
  assert.deepEqual(Frame.of(buffer).bytes, Uint8Array.of(1, 2, 3, 4));
});

test("a caller may reuse its buffer at once", () => {
  const bytes = Uint8Array.of(1, 2);
  const frame = Frame.of(bytes);
  bytes.fill(9);
  assert.deepEqual(frame.payload, Uint8Array.of(1, 2));
});

for (const message of [{ a: 1 }, null, undefined, 1, ["x"], new Blob(["x"])]) {
  test(`a message that is ${JSON.stringify(message) ?? "undefined"} is a TypeError with a code`, () => {
    assert.throws(() => Frame.of(message as never), { name: "TypeError", code: "invalid_argument" });
  });
}

test("bytes that are no UTF-8 cannot be text", () => {
  assert.throws(() => Frame.fromBytes(Uint8Array.of(0xff), false), { name: "TypeError", code: "invalid_argument" });
  assert.deepEqual(Frame.fromBytes(Uint8Array.of(0xff), true).payload, Uint8Array.of(0xff));
});
