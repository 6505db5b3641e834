import assert from "node:assert/strict";
import { test } from "node:test";
import { GoawayFilter, HTTP2_PREFACE } from "../../adapters/rpc/goaway-filter.ts";

const GOAWAY = 7;

function frame(type: number, length: number): Buffer {
  const bytes = Buffer.alloc(9 + length, type);
  bytes.writeUIntBE(length, 0, 3);
  bytes[3] = type;
  return bytes;
}

const SETTINGS = frame(4, 6);
const HEADERS = frame(1, 40);
const DATA = frame(0, 1_000);
const EMPTY = frame(0, 0);
const BYE = frame(GOAWAY, 8);

const conversations: Readonly<Record<string, readonly Buffer[]>> = {
  "no GOAWAY": [SETTINGS, HEADERS, DATA, EMPTY],
  "a GOAWAY at the end": [SETTINGS, HEADERS, DATA, BYE],
  "a GOAWAY first": [BYE, SETTINGS],
  "several GOAWAYs between others": [SETTINGS, BYE, BYE, HEADERS, EMPTY, BYE, DATA, frame(GOAWAY, 0), EMPTY],
};

for (const [what, frames] of Object.entries(conversations)) {
  test(`the filter drops GOAWAY frames and nothing else, however the bytes are cut: ${what}`, () => {
    const sent = Buffer.concat([HTTP2_PREFACE, ...frames]);
    const kept = Buffer.concat([HTTP2_PREFACE, ...frames.filter((bytes) => bytes[3] !== GOAWAY)]);
    for (const size of [1, 2, 8, 9, 10, 24, 33, 500, sent.length]) {
      const filter = new GoawayFilter();
      const passed: Buffer[] = [];
      for (let at = 0; at < sent.length; at += size) {
        passed.push(Buffer.from(filter.filter(sent.subarray(at, at + size))));
      }
      assert.ok(Buffer.concat(passed).equals(kept), `in pieces of ${size}`);
    }
  });
}
