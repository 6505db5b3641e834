/** The lines of meshsocket.v1: nothing is mistaken for anything else, and nothing throws. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  ackLine,
  byeLine,
  decodeControl,
  errorLine,
  escape,
  helloLine,
  isEscaped,
  isReserved,
  type Payload,
  pingLine,
  pongLine,
  prefixed,
  replyLine,
  requestLine,
  SYNC_LINE,
  unescape,
} from "../../src/wire/v1.ts";

const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.string().map((rest) => `~${rest}`));
const bytes = fc.oneof(fc.uint8Array(), fc.uint8Array().map((rest) => new Uint8Array([126, ...rest])));
const payload: fc.Arbitrary<Payload> = fc.oneof(text, bytes);
const number = fc.nat(999_999_999_999_999);

test("no message of the application can be mistaken for a control line", () => {
  fc.assert(fc.property(payload, (message) => {
    if (!isReserved(message)) return;
    const sent = escape(message);
    assert.ok(isReserved(sent) && isEscaped(sent));
    assert.deepEqual(unescape(sent), message);
    assert.equal(decodeControl(sent), undefined);
  }));
});

test("every control line is read as it was written, with text and bytes as its payload", () => {
  fc.assert(fc.property(number, number, payload, text, (one, other, content, words) => {
    assert.deepEqual(decodeControl(ackLine(one)), { type: "ack", count: one });
    assert.deepEqual(decodeControl(pingLine(one)), { type: "ping", number: one });
    assert.deepEqual(decodeControl(pongLine(one, other)), { type: "pong", number: one, time: other });
    assert.deepEqual(decodeControl(byeLine(one)), { type: "bye", retryAfterMs: one });
    assert.deepEqual(decodeControl(SYNC_LINE), { type: "sync" });
    assert.deepEqual(decodeControl(prefixed(requestLine(one), content)), {
      type: "request",
      number: one,
      payload: content,
    });
    assert.deepEqual(decodeControl(prefixed(replyLine(one), content)), {
      type: "reply",
      number: one,
      payload: content,
    });
    const failed = { type: "error", number: one, code: "not_found", message: words };
    assert.deepEqual(decodeControl(errorLine(one, "not_found", words)), failed);
    const hello = {
      id: words,
      resumed: true,
      received: 1,
      handled: 1,
      token: "t",
      windowMs: 1,
      maxBytes: 1,
      time: 1,
    };
    assert.deepEqual(decodeControl(helloLine(hello)), { type: "hello", hello });
  }));
});

test("no line throws, whatever it holds, and only the documented ones are read", () => {
  const names = fc.constantFrom("ack", "sync", "ping", "pong", "bye", "hello", "request", "reply", "error", "nothing");
  const line = fc.tuple(names, fc.constantFrom("", " ", "\n"), text).map(([name, gap, rest]) =>
    `~${name}${gap}${rest}`
  );
  fc.assert(fc.property(fc.oneof(payload, line, line.map((each) => new TextEncoder().encode(each))), (message) => {
    const control = decodeControl(message);
    if (control) assert.match(typeof message === "string" ? message : new TextDecoder().decode(message), /^~[a-z]+/);
  }));
  const wrong = [
    "~",
    "~ack",
    "~ack 01",
    "~ack 1 ",
    "~ack 1.5",
    "~ack -1",
    "~ack 1e3",
    "~ack 1000000000000000",
    "~sync 1",
    "~request 1",
    "~ACK 1",
  ];
  for (const each of wrong) assert.equal(decodeControl(each), undefined, each);
});
