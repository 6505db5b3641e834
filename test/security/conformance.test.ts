import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RawClient, RawFrame } from "../kit/raw.ts";
import { type Runtime, runtime } from "../kit/runtime.ts";
import { closeCode, frameOf, Target } from "./target.ts";

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10] as const;

/** What is sent after the 101, and what has to come back, frame by frame; a close code ends it. */
interface Case {
  readonly name: string;
  readonly send: readonly Uint8Array[];
  /** Frames as `[opcode, payload]`. */
  readonly expect?: readonly (readonly [number, Uint8Array | string])[];
  /** The code of the server's close frame. */
  readonly closes?: number;
}

/** Where an engine differs, and what it does instead. Nothing is left out in silence: a case that passes here fails the run. */
const KNOWN_DIFFERENCES: Readonly<Partial<Record<Runtime, Readonly<Record<string, Partial<Case>>>>>> = {};

function close(code: number, reason: Uint8Array | string = ""): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frameOf(CLOSE, Buffer.concat([head, Buffer.from(reason)]));
}

function echoed(name: string, opcode: 1 | 2, payload: string | Uint8Array): Case {
  return { name, send: [frameOf(opcode, payload)], expect: [[opcode, payload]] };
}

function fails(name: string, closes: number, ...send: Uint8Array[]): Case {
  return { name, send, closes };
}

const UTF8 = "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!! \u{1F600}";
const bytes = Buffer.from(UTF8);

const CASES: readonly Case[] = [
  // Framing: the three forms of a length, and their borders.
  ...[0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537].flatMap((length) => [
    echoed(`text of ${length} bytes comes back`, TEXT, "x".repeat(length)),
    echoed(`binary of ${length} bytes comes back`, BINARY, Buffer.alloc(length, 0xfe)),
  ]),
  {
    name: "a frame that comes byte by byte is one message",
    send: [...frameOf(TEXT, "slowly")].map((byte) => Uint8Array.of(byte)),
    expect: [[TEXT, "slowly"]],
  },
  {
    name: "frames that come together are separate messages, in order",
    send: [Buffer.concat([frameOf(TEXT, "a"), frameOf(BINARY, "b"), frameOf(TEXT, "c")])],
    expect: [[TEXT, "a"], [BINARY, "b"], [TEXT, "c"]],
  },
  // Masks.
  ...[[0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [1, 2, 3, 4]].map((key): Case => ({
    name: `the mask ${key.join(".")} is taken off`,
    send: [frameOf(TEXT, "masked payload", { key })],
    expect: [[TEXT, "masked payload"]],
  })),
  fails("a text without a mask closes 1002", 1002, frameOf(TEXT, "x", { masked: false })),
  fails("a ping without a mask closes 1002", 1002, frameOf(PING, "x", { masked: false })),
  fails("a close without a mask closes 1002", 1002, frameOf(CLOSE, Buffer.of(3, 232), { masked: false })),
  // Ping and pong.
  ...["", "x", "\u0000\u00ff", "x".repeat(125)].map((payload, index): Case => ({
    name: `ping ${index + 1} is answered by a pong with its payload`,
    send: [frameOf(PING, payload)],
    expect: [[PONG, payload]],
  })),
  fails("a ping over 125 bytes closes 1002", 1002, frameOf(PING, "x".repeat(126))),
  fails("a pong over 125 bytes closes 1002", 1002, frameOf(PONG, "x".repeat(126))),
  {
    name: "a pong that nobody asked for is ignored",
    send: [frameOf(PONG, "x"), frameOf(TEXT, "after")],
    expect: [[TEXT, "after"]],
  },
  {
    name: "ten pings are answered in order",
    send: Array.from({ length: 10 }, (_, index) => frameOf(PING, `${index}`)),
    expect: Array.from({ length: 10 }, (_, index) => [PONG, `${index}`] as const),
  },
  // Reserved bits and opcodes.
  ...[1, 2, 3, 4, 5, 6, 7].map((rsv) => fails(`reserved bits ${rsv} close 1002`, 1002, frameOf(TEXT, "x", { rsv }))),
  ...[1, 4].map((rsv) => fails(`reserved bits ${rsv} on a ping close 1002`, 1002, frameOf(PING, "", { rsv }))),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) =>
    fails(`opcode ${opcode} closes 1002`, 1002, frameOf(opcode, "x"))
  ),
  // Fragmentation.
  {
    name: "a text in three fragments is one message",
    send: [frameOf(TEXT, "a", { fin: false }), frameOf(CONTINUATION, "b", { fin: false }), frameOf(CONTINUATION, "c")],
    expect: [[TEXT, "abc"]],
  },
  {
    name: "binary in fragments, some of them empty, is one message",
    send: [
      frameOf(BINARY, "", { fin: false }),
      frameOf(CONTINUATION, "b", { fin: false }),
      frameOf(CONTINUATION, "", { fin: false }),
      frameOf(CONTINUATION, ""),
    ],
    expect: [[BINARY, "b"]],
  },
  {
    name: "a ping between fragments is answered before the message",
    send: [frameOf(TEXT, "a", { fin: false }), frameOf(PING, "p"), frameOf(CONTINUATION, "b")],
    expect: [[PONG, "p"], [TEXT, "ab"]],
  },
  fails("a ping in fragments closes 1002", 1002, frameOf(PING, "a", { fin: false }), frameOf(CONTINUATION, "b")),
  fails("a close in fragments closes 1002", 1002, frameOf(CLOSE, "", { fin: false })),
  fails("a continuation of nothing closes 1002", 1002, frameOf(CONTINUATION, "x")),
  fails("an open continuation of nothing closes 1002", 1002, frameOf(CONTINUATION, "x", { fin: false })),
  fails("a text within a text closes 1002", 1002, frameOf(TEXT, "a", { fin: false }), frameOf(TEXT, "b")),
  fails(
    "binary within a text closes 1002",
    1002,
    frameOf(TEXT, "a", { fin: false }),
    frameOf(BINARY, "b", { fin: false }),
  ),
  fails(
    "a continuation after the end closes 1002",
    1002,
    frameOf(TEXT, "", { fin: false }),
    frameOf(CONTINUATION, ""),
    frameOf(CONTINUATION, "x"),
  ),
  // UTF-8.
  echoed("text beyond ASCII comes back", TEXT, UTF8),
  echoed("noncharacters and the last code point are text", TEXT, "\ufffe\uffff\u{10ffff}\u0000"),
  ...Array.from({ length: bytes.length - 1 }, (_, index) => index + 1).filter((at) =>
    ((bytes[at] ?? 0) & 0xc0) === 0x80
  ).map((at): Case => ({
    name: `a code point split over fragments at byte ${at} is whole again`,
    send: [frameOf(TEXT, bytes.subarray(0, at), { fin: false }), frameOf(CONTINUATION, bytes.subarray(at))],
    expect: [[TEXT, UTF8]],
  })),
  ...[
    "c0af",
    "e08080",
    "f08080af",
    "eda080",
    "edbfbf",
    "f4908080",
    "f8888080",
    "fe",
    "ff",
    "80",
    "c3",
    "e282",
    "f09f98",
    "c328",
    "41eda08042",
  ].map((hex) => fails(`text ${hex} closes 1007`, 1007, frameOf(TEXT, Buffer.from(hex, "hex")))),
  fails(
    "a code point that the last fragment leaves open closes 1007",
    1007,
    frameOf(TEXT, "a", { fin: false }),
    frameOf(CONTINUATION, Buffer.of(0xe2, 0x82)),
  ),
  echoed("bytes that are no UTF-8 are good binary", BINARY, Buffer.from("c0afff80", "hex")),
  // Close.
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map((code) =>
    fails(`a close with ${code} is answered with it`, code, close(code))
  ),
  fails("a close without a code is answered", 1005, frameOf(CLOSE)),
  fails("a close with a reason of 123 bytes is answered", 1000, close(1000, "x".repeat(123))),
  fails("a close over 125 bytes closes 1002", 1002, close(1000, "x".repeat(124))),
  fails("a close of one byte closes 1002", 1002, frameOf(CLOSE, Buffer.of(3))),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map((code) =>
    fails(`a close with ${code}, which nobody may send, closes 1002`, 1002, close(code))
  ),
  fails("a close reason that is not UTF-8 closes 1007", 1007, close(1000, Buffer.of(0xce, 0xba, 0xe1, 0xbd))),
  fails("what follows a close is not heard", 1000, Buffer.concat([close(1000), frameOf(TEXT, "late"), frameOf(3, "")])),
  fails(
    "a message that never ended and a close: the close is answered",
    1000,
    frameOf(TEXT, "a", { fin: false }),
    close(1000),
  ),
  // Limits.
  echoed("a message at the limit comes back", TEXT, "x".repeat(100_000)),
  fails("a message over the limit closes 1009", 1009, frameOf(TEXT, "x".repeat(100_001))),
  fails(
    "fragments that add up to more than the limit close 1009",
    1009,
    frameOf(TEXT, "x".repeat(60_000), { fin: false }),
    frameOf(CONTINUATION, "x".repeat(60_000)),
  ),
  fails("a length of 64 bits closes 1009 before its bytes come", 1009, frameOf(BINARY, "", { length: 1n << 40n })),
];

let target: Target;
before(async () => {
  target = await Target.start({ limits: { maxMessageBytes: 100_000 } });
});
after(() => target[Symbol.asyncDispose]());

for (const one of CASES) {
  test(`RFC 6455: ${one.name}`, async () => {
    const difference = KNOWN_DIFFERENCES[runtime]?.[one.name];
    const client = await target.upgraded();
    try {
      for (const chunk of one.send) client.socket.write(chunk);
      await compare(client, { ...one, ...difference });
    } finally {
      client.socket.destroy();
    }
  });
}

test("RFC 6455: every known difference names a case", () => {
  const names = new Set(CASES.map(({ name }) => name));
  for (const differences of Object.values(KNOWN_DIFFERENCES)) {
    for (const name of Object.keys(differences)) assert.ok(names.has(name), name);
  }
  assert.equal(names.size, CASES.length);
});

async function compare(client: RawClient, { expect = [], closes }: Case): Promise<void> {
  for (const [opcode, payload] of expect) {
    const frame: RawFrame | undefined = await client.next();
    assert.equal(frame?.opcode, opcode);
    assert.ok(frame.payload.equals(Buffer.from(payload)), "the payload differs");
  }
  if (closes !== undefined) assert.equal(await closeCode(client), closes);
}
