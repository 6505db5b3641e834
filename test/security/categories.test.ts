import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, test } from "node:test";
import { type Runtime, runtime } from "../kit/runtime.ts";
import { closeCode, frameOf, Target } from "./target.ts";

/** The cases of Autobahn's test suite, by its numbers, as bytes of our own: its categories 1 to 7, 9 and 10 (8 is empty). */

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10] as const;
const MIB = 1_048_576;

/** The bytes that are sent after the 101, and the frames that have to come back; a close code ends them. */
interface Case {
  /** A function where it is much. */
  readonly send: readonly Uint8Array[] | (() => readonly Uint8Array[]);
  readonly expect?: readonly (readonly [opcode: number, payload: Uint8Array | string])[];
  readonly closes?: number;
}

const CASES = new Map<string, Case>();

function add(name: string, one: Case): void {
  assert.ok(!CASES.has(name), name);
  CASES.set(name, one);
}

function echoed(opcode: 1 | 2, payload: string | Uint8Array, send: Case["send"]): Case {
  return { send, expect: [[opcode, payload]] };
}

function octets(...frames: readonly Uint8Array[]): Uint8Array[] {
  return [...Buffer.concat(frames)].map((byte) => Uint8Array.of(byte));
}

function close(code: number, reason: Uint8Array | string = ""): Buffer {
  return frameOf(CLOSE, Buffer.concat([Buffer.of(code >> 8, code & 255), Buffer.from(reason)]));
}

function chopped(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

/** A message in fragments of a size. */
function fragments(opcode: 1 | 2, payload: Uint8Array, size: number): Buffer[] {
  const parts = chopped(payload, size);
  return parts.map((part, at) => frameOf(at === 0 ? opcode : CONTINUATION, part, { fin: at === parts.length - 1 }));
}

// 1: framing.
for (const [kind, opcode, of] of [[1, TEXT, "*"], [2, BINARY, "\u00fe"]] as const) {
  for (const [index, length] of [0, 125, 126, 127, 128, 65_535, 65_536].entries()) {
    const payload = Buffer.alloc(length, of, "latin1");
    add(`1.${kind}.${index + 1}: ${length} bytes`, echoed(opcode, payload, [frameOf(opcode, payload)]));
  }
  const payload = Buffer.alloc(65_536, of, "latin1");
  add(`1.${kind}.8: 65,536 bytes in chunks of 997`, echoed(opcode, payload, chopped(frameOf(opcode, payload), 997)));
}

// 2: pings and pongs.
const pings = Array.from({ length: 10 }, (_, at) => `payload-${at}`);
const pongs = pings.map((payload) => [PONG, payload] as const);
for (
  const [at, payload] of ["", "Hello, world!", Buffer.from("00fffefdfcfb00ff", "hex"), Buffer.alloc(125, 0xfe)]
    .entries()
) add(`2.${at + 1}: ping`, { send: [frameOf(PING, payload)], expect: [[PONG, payload]] });
add("2.5: a ping of 126 bytes", { send: [frameOf(PING, Buffer.alloc(126, 0xfe))], closes: 1002 });
add("2.6: a ping in octets", {
  send: octets(frameOf(PING, Buffer.alloc(125, 0xfe))),
  expect: [[PONG, Buffer.alloc(125, 0xfe)]],
});
for (const [at, payload] of ["", "unsolicited"].entries()) {
  add(`2.${at + 7}: a pong that nobody asked for`, { send: [frameOf(PONG, payload), close(1000)], closes: 1000 });
}
add("2.9: a pong, and then a ping", { send: [frameOf(PONG, "x"), frameOf(PING, "y")], expect: [[PONG, "y"]] });
add("2.10: ten pings", { send: pings.map((payload) => frameOf(PING, payload)), expect: pongs });
add("2.11: ten pings in octets", { send: octets(...pings.map((payload) => frameOf(PING, payload))), expect: pongs });

// 3: reserved bits.
const hello = frameOf(TEXT, "Hello, world!");
for (const [at, opcode] of [TEXT, TEXT, TEXT, TEXT, BINARY, PING, CLOSE].entries()) {
  const reserved = frameOf(opcode, opcode === CLOSE ? "" : "Hello", { rsv: at + 1 });
  add(`3.${at + 1}: reserved bits ${at + 1}`, { send: [reserved], closes: 1002 });
  add(`3.${at + 1}: reserved bits ${at + 1} behind a good message, together`, {
    send: [Buffer.concat([hello, reserved, frameOf(PING)])],
    expect: [[TEXT, "Hello, world!"]],
    closes: 1002,
  });
  add(`3.${at + 1}: reserved bits ${at + 1} behind a good message, in octets`, {
    send: octets(hello, reserved, frameOf(PING)),
    expect: [[TEXT, "Hello, world!"]],
    closes: 1002,
  });
}

// 4: opcodes.
for (const [part, opcodes] of [[1, [3, 4, 5, 6, 7]], [2, [11, 12, 13, 14, 15]]] as const) {
  for (const [at, opcode] of opcodes.entries()) {
    for (const payload of ["", "x"]) {
      add(`4.${part}.${at + 1}: opcode ${opcode} with ${payload.length} bytes`, {
        send: [frameOf(opcode, payload)],
        closes: 1002,
      });
    }
    add(`4.${part}.${at + 1}: opcode ${opcode} behind a good message, in octets`, {
      send: octets(hello, frameOf(opcode, "x")),
      expect: [[TEXT, "Hello, world!"]],
      closes: 1002,
    });
  }
}

// 5: fragmentation, each as frames, as one chunk, and in octets.
function ways(name: string, frames: readonly Uint8Array[], one: Omit<Case, "send">): void {
  add(`${name}, frame by frame`, { ...one, send: frames });
  add(`${name}, in one chunk`, { ...one, send: [Buffer.concat(frames)] });
  add(`${name}, in octets`, { ...one, send: octets(...frames) });
}
const [first, second] = [frameOf(TEXT, "fragment1", { fin: false }), frameOf(CONTINUATION, "fragment2")];
const both = [TEXT, "fragment1fragment2"] as const;
add("5.1: a ping in two fragments", {
  send: [frameOf(PING, "a", { fin: false }), frameOf(CONTINUATION, "b")],
  closes: 1002,
});
add("5.2: a pong in two fragments", {
  send: [frameOf(PONG, "a", { fin: false }), frameOf(CONTINUATION, "b")],
  closes: 1002,
});
ways("5.3: text in two fragments", [first, second], { expect: [both] });
ways("5.6: a ping between two fragments", [first, frameOf(PING, "p"), second], { expect: [[PONG, "p"], both] });
ways("5.9: a continuation of nothing, and text", [frameOf(CONTINUATION, "x"), hello], { closes: 1002 });
ways("5.12: an open continuation of nothing, and text", [frameOf(CONTINUATION, "x", { fin: false }), hello], {
  closes: 1002,
});
ways("5.15: an open continuation after the end", [first, second, frameOf(CONTINUATION, "x", { fin: false }), hello], {
  expect: [both],
  closes: 1002,
});
ways("5.16: an open continuation, then text in fragments, twice", [
  frameOf(CONTINUATION, "x", { fin: false }),
  first,
  second,
], {
  closes: 1002,
});
ways("5.17: a continuation, then text in fragments, twice", [frameOf(CONTINUATION, "x"), first, second], {
  closes: 1002,
});
ways("5.18: text within text", [first, frameOf(TEXT, "x")], { closes: 1002 });
ways(
  "5.19: text in five fragments with pings between",
  [
    first,
    frameOf(CONTINUATION, "2", { fin: false }),
    frameOf(PING, "p1"),
    frameOf(CONTINUATION, "3", { fin: false }),
    frameOf(CONTINUATION, "4", { fin: false }),
    frameOf(PING, "p2"),
    frameOf(CONTINUATION, "5"),
  ],
  { expect: [[PONG, "p1"], [PONG, "p2"], [TEXT, "fragment12345"]] },
);

// 6: UTF-8.
const NAME = "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!";
const EMPTY = { fin: false };
add("6.1.1: empty text", echoed(TEXT, "", [frameOf(TEXT)]));
add("6.1.2: three empty fragments", echoed(TEXT, "", [frameOf(TEXT, "", EMPTY), frameOf(0, "", EMPTY), frameOf(0)]));
add(
  "6.1.3: empty fragments around a full one",
  echoed(TEXT, "x", [frameOf(TEXT, "", EMPTY), frameOf(0, "x", EMPTY), frameOf(0)]),
);
add("6.2.1: text", echoed(TEXT, NAME, [frameOf(TEXT, NAME)]));
add("6.2.2: text in two fragments, at a character", echoed(TEXT, NAME, fragments(TEXT, Buffer.from(NAME), 8)));
add("6.2.3: text in fragments of an octet", echoed(TEXT, NAME, fragments(TEXT, Buffer.from(NAME), 1)));
add(
  "6.2.4: Greek text in fragments of an octet",
  echoed(TEXT, "\u03ba\u1f79\u03c3\u03bc\u03b5", fragments(TEXT, Buffer.from("\u03ba\u1f79\u03c3\u03bc\u03b5"), 1)),
);
const greek = Buffer.from("cebae1bdb9cf83cebcceb5", "hex");
const broken = Buffer.concat([greek, Buffer.from("eda080", "hex"), Buffer.from("edited")]);
add("6.3.1: a surrogate", { send: [frameOf(TEXT, broken)], closes: 1007 });
add("6.3.2: a surrogate in fragments of an octet", { send: fragments(TEXT, broken, 1), closes: 1007 });
// The rest of these is never sent: the fault is to be found before.
const tooHigh = Buffer.concat([greek, Buffer.from("f4908080", "hex")]);
add("6.4.1: invalid text fails at its fragment", {
  send: [frameOf(TEXT, greek, EMPTY), frameOf(0, Buffer.from("f4908080", "hex"), EMPTY)],
  closes: 1007,
});
add("6.4.2: invalid text fails at the fragment with its second byte", {
  send: [
    frameOf(TEXT, greek, EMPTY),
    frameOf(0, Buffer.from("f4", "hex"), EMPTY),
    frameOf(0, Buffer.from("90", "hex"), EMPTY),
  ],
  closes: 1007,
});
const long = frameOf(TEXT, Buffer.concat([tooHigh, Buffer.from("edited")]));
add("6.4.3: invalid text fails within its frame", { send: [long.subarray(0, 6 + tooHigh.length)], closes: 1007 });
add("6.4.4: invalid text fails within its frame, at the octet", {
  send: octets(long.subarray(0, 6 + greek.length + 2)),
  closes: 1007,
});

/** Bun checks text once its message is whole: the rest that has to come before it fails. */
const ENDS: Readonly<Record<string, readonly Uint8Array[]>> = {
  "6.4.1: invalid text fails at its fragment": [frameOf(CONTINUATION)],
  "6.4.2: invalid text fails at the fragment with its second byte": [frameOf(CONTINUATION)],
  "6.4.3: invalid text fails within its frame": [long.subarray(6 + tooHigh.length)],
  "6.4.4: invalid text fails within its frame, at the octet": [long.subarray(6 + greek.length + 2)],
};

const VALID = [
  ...[0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xfffe, 0xffff, 0x10000],
  ...Array.from({ length: 16 }, (_, plane) => [(plane + 1) * 0x10000 + 0xfffe, (plane + 1) * 0x10000 + 0xffff]).flat(),
];
for (const point of VALID) {
  const text = String.fromCodePoint(point);
  add(`6.5 to 6.23: U+${point.toString(16)} is text`, echoed(TEXT, text, [frameOf(TEXT, text)]));
}
const span = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);
const withSpace = (from: number, to: number): string =>
  Buffer.from(span(from, to).flatMap((byte) => [byte, 0x20])).toString("hex");
const CUT = ["c3", "e282", "f09f98", "f8888080", "fc84808080"];
const INVALID = [
  ...["f888808080", "fc8480808080", "f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf", "f4908080"],
  ...[1, 2, 3, 4, 5, 6, 7].map((count) => "80bf".repeat(4).slice(0, 2 * count)),
  Buffer.from(span(0x80, 0xbf)).toString("hex"),
  ...[
    withSpace(0xc0, 0xdf),
    withSpace(0xe0, 0xef),
    withSpace(0xf0, 0xf7),
    withSpace(0xf8, 0xfb),
    withSpace(0xfc, 0xfd),
  ],
  ...CUT,
  ...["c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"],
  CUT.join(""),
  ...["fe", "ff", "fefeffff"],
  ...["c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"],
  ...["c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"],
  ...["c080", "e08080", "f0808080", "f880808080", "fc8080808080"],
  ...["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"],
  ...[
    "eda080edb080",
    "eda080edbfbf",
    "edadbfedb080",
    "edadbfedbfbf",
    "edae80edb080",
    "edae80edbfbf",
    "edafbfedb080",
    "edafbfedbfbf",
  ],
];
for (const [at, hex] of INVALID.entries()) {
  add(`6.5 to 6.23, ${at + 1}: ${hex.slice(0, 24)} (${hex.length / 2} bytes) is not text`, {
    send: [frameOf(TEXT, Buffer.from(hex, "hex"))],
    closes: 1007,
  });
}

// 7: closing.
add("7.1.1: a message, and then a close", {
  send: [hello, close(1000)],
  expect: [[TEXT, "Hello, world!"]],
  closes: 1000,
});
add("7.1.2: two closes", { send: [close(1000), close(1000)], closes: 1000 });
add("7.1.3: a ping after a close", { send: [close(1000), frameOf(PING, "p")], closes: 1000 });
add("7.1.4: a text after a close", { send: [close(1000), hello], closes: 1000 });
add("7.1.5: a close between two fragments", { send: [first, close(1000), second], closes: 1000 });
const large = Buffer.alloc(262_144, "*");
add("7.1.6: a large message, a small one, a close and a ping", {
  send: [frameOf(TEXT, large), hello, close(1000), frameOf(PING)],
  expect: [[TEXT, large], [TEXT, "Hello, world!"]],
  closes: 1000,
});
add("7.3.1: a close without a payload", { send: [frameOf(CLOSE)], closes: 1005 });
add("7.3.2: a close of one byte", { send: [frameOf(CLOSE, "a")], closes: 1002 });
add("7.3.3: a close with a code", { send: [close(1000)], closes: 1000 });
add("7.3.4: a close with a reason", { send: [close(1000, "Hello, world!")], closes: 1000 });
add("7.3.5: a close with a reason of 123 bytes", { send: [close(1000, "*".repeat(123))], closes: 1000 });
add("7.3.6: a close with a reason of 124 bytes", { send: [close(1000, "*".repeat(124))], closes: 1002 });
add("7.5.1: a close with a reason that is not UTF-8", { send: [close(1000, broken)], closes: 1007 });
for (const [at, code] of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].entries()) {
  add(`7.7.${at + 1}: a close with ${code}`, { send: [close(code)], closes: code });
}
for (const [at, code] of [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].entries()) {
  add(`7.9.${at + 1}: a close with ${code}`, { send: [close(code)], closes: 1002 });
}
for (const [at, code] of [5000, 65_535].entries()) {
  add(`7.13.${at + 1}: a close with ${code}`, { send: [close(code)], closes: 1002 });
}

// 9: sizes.
for (const [part, opcode, of] of [[1, TEXT, "*"], [2, BINARY, "\u00fe"]] as const) {
  for (const [at, length] of [65_536, 262_144, MIB, 4 * MIB, 8 * MIB, 16 * MIB].entries()) {
    const payload = Buffer.alloc(length, of, "latin1");
    add(`9.${part}.${at + 1}: ${length} bytes`, echoed(opcode, payload, () => [frameOf(opcode, payload)]));
  }
  const four = Buffer.alloc(4 * MIB, of, "latin1");
  for (const [at, size] of [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, MIB, 4 * MIB].entries()) {
    add(
      `9.${part + 2}.${at + 1}: 4 MiB in fragments of ${size}`,
      echoed(opcode, four, () => [Buffer.concat(fragments(opcode, four, size))]),
    );
  }
  const one = Buffer.alloc(MIB, of, "latin1");
  for (const [at, size] of [64, 128, 256, 512, 1_024, 2_048].entries()) {
    add(
      `9.${part + 4}.${at + 1}: 1 MiB in chunks of ${size}`,
      echoed(opcode, one, () => chopped(frameOf(opcode, one), size)),
    );
  }
  for (const [at, length] of [0, 16, 64, 256, 1_024, 4_096].entries()) {
    const payload = Buffer.alloc(length, of, "latin1");
    const frame = frameOf(opcode, payload);
    add(`9.${part + 6}.${at + 1}: 1,000 messages of ${length} bytes`, {
      send: Array.from({ length: 1_000 }, () => frame),
      expect: Array.from({ length: 1_000 }, () => [opcode, payload] as const),
    });
  }
}

// 10: fragments made by the sender's library.
const auto = Buffer.alloc(65_536, "*");
add("10.1.1: 65,536 bytes in fragments of 1,300", echoed(TEXT, auto, fragments(TEXT, auto, 1_300)));

/** The cases in which an engine differs: what else it has to be sent before it answers as the others do. */
const KNOWN_DIFFERENCES: Readonly<Partial<Record<Runtime, typeof ENDS>>> = { bun: ENDS };

let target: Target;
before(async () => {
  const limits = { maxMessageBytes: 16 * MIB, maxBufferedBytes: 64 * MIB, maxBacklogBytes: 64 * MIB };
  target = await Target.start({ limits });
});
after(() => target[Symbol.asyncDispose]());

for (const [name, one] of CASES) {
  test(`Autobahn ${name}`, async () => {
    const { send, expect = [], closes } = one;
    const end = KNOWN_DIFFERENCES[runtime]?.[name] ?? [];
    const client = await target.upgraded();
    try {
      for (const chunk of typeof send === "function" ? send() : send) client.socket.write(chunk);
      for (const chunk of end) client.socket.write(chunk);
      for (const [opcode, payload] of expect) {
        const frame = await client.next();
        assert.equal(frame?.opcode, opcode);
        assert.ok(frame.payload.equals(Buffer.from(payload)), "the payload differs");
      }
      if (closes !== undefined) assert.equal(await closeCode(client), closes);
    } finally {
      client.socket.destroy();
    }
  });
}

test("Autobahn: every known difference names a case", () => {
  for (const differences of Object.values(KNOWN_DIFFERENCES)) {
    for (const name of Object.keys(differences)) assert.ok(CASES.has(name), name);
  }
});
