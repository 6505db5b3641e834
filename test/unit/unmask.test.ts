import assert from "node:assert/strict";
import { Buffer, isUtf8 } from "node:buffer";
import { test } from "node:test";
import { rotate, unmask } from "../../adapters/ws/unmask.ts";
import { checkUtf8 } from "../../adapters/ws/utf8.ts";

const KEY = [0x12, 0xfe, 0x00, 0x81];
const key = 0x12 | (0xfe << 8) | (0x00 << 16) | (0x81 << 24);

test("a mask is taken off at any place and of any length, and nothing around it changes", () => {
  for (const length of [0, 1, 2, 3, 4, 5, 63, 64, 191, 192, 193, 194, 195, 196, 1_000]) {
    for (let from = 0; from < 8; from++) {
      const plain = Uint8Array.from({ length: length + 16 }, (_, index) => (index * 7) & 127);
      const bytes = plain.map((byte, at) =>
        at >= from && at < from + length ? byte ^ (KEY[(at - from) % 4] as number) : byte
      );
      const seen = unmask(bytes, from, from + length, key);
      assert.deepEqual(bytes, plain, `${length} bytes at ${from}`);
      assert.ok(seen < 128);
    }
  }
});

test("bytes beyond ASCII are seen wherever they are", () => {
  for (const length of [1, 5, 64, 192, 400]) {
    for (let at = 0; at < length; at++) {
      const bytes = new Uint8Array(length);
      bytes[at] = 0x80;
      assert.ok(unmask(bytes, 0, length, 0) >= 128, `${at} of ${length}`);
    }
  }
});

test("a key turned by a number of bytes is the key of the rest", () => {
  for (let count = 0; count < 9; count++) {
    const whole = new Uint8Array(300);
    const parts = new Uint8Array(300);
    unmask(whole, 0, 300, key);
    unmask(parts, 0, count, key);
    unmask(parts, count, 300, rotate(key, count));
    assert.deepEqual(parts, whole);
  }
});

test("UTF-8 that is cut anywhere is checked up to its last whole character", () => {
  const text = "aé漢😀\u{10ffff}\ud7ff\ue000b";
  const bytes = new TextEncoder().encode(text);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let cut = 0; cut <= bytes.length; cut++) {
    const checked = checkUtf8(bytes, 0, cut);
    assert.ok(text.startsWith(decoder.decode(bytes.subarray(0, checked))));
    assert.ok(cut - checked < 4);
    assert.equal(checkUtf8(bytes, checked, bytes.length), bytes.length);
  }
});

test("of every two first bytes of UTF-8 it is known whether they can become text", () => {
  const rests = ["", "80", "bf", "8080", "bfbf", "a080", "808080", "908080"].map((hex) => Buffer.from(hex, "hex"));
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      const bytes = Uint8Array.of(first, second);
      const can = rests.some((rest) => isUtf8(Buffer.concat([bytes, rest])));
      assert.equal(checkUtf8(bytes, 0, 2) >= 0, can, `${first} ${second}`);
    }
  }
});
