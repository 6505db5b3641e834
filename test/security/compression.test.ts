/** permessage-deflate (RFC 7692): the cases of Autobahn's categories 12 and 13 as our own, and what an attacker makes of it. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { BROWSER_OFFER, DeflateClient, deflated, messageOf } from "../kit/deflate-client.ts";
import { Random } from "../kit/random.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";
import { closeCode, frameOf, Target } from "./target.ts";

const TEXT = 1;
const CONTINUATION = 0;
const PING = 9;
/** Bun deflates for each socket, so that nothing is agreed to there: docs/compression.md. */
const AGREES = runtime !== "bun";
const AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

const random = new Random(7);
const words = ["the", "price", "of", "\u00e4pfel", "is", "{", "}", "[1,2,3]", '"id":', "null", "😀"];
const kinds: readonly (readonly [name: string, of: (bytes: number) => string | Uint8Array])[] = [
  ["text that repeats", (bytes) => "*".repeat(bytes)],
  ["words", (bytes) => ofBytes(Array.from({ length: bytes }, () => random.pick(words)).join(" "), bytes)],
  ["random bytes", (bytes) => Uint8Array.from({ length: bytes }, () => random.below(256))],
  ["zeros", (bytes) => new Uint8Array(bytes)],
];

/** The beginning of a text that has so many bytes. */
function ofBytes(text: string, bytes: number): string {
  const cut = Buffer.from(text).subarray(0, bytes).toString();
  return cut.replace(/\ufffd+$/, "").padEnd(bytes);
}

async function comesBack(client: DeflateClient, message: string | Uint8Array, windowBits = 15): Promise<void> {
  const frame = await client.frame();
  assert.equal(frame.opcode, typeof message === "string" ? 1 : 2);
  assert.ok(messageOf(frame, windowBits).equals(Buffer.from(message)), "the message differs");
}

// Autobahn sends a thousand messages in each case; here it is three, because nothing is kept from message to message.
const SIZES = [0, 16, 64, 256, 1_024, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072];
for (const [index, [name, make]] of kinds.entries()) {
  test(`RFC 7692: 12.${index + 1}: ${name} of each size comes back`, async () => {
    await using target = await Target.start({ compress: { minBytes: 16 } });
    const client = await DeflateClient.open(target.port);
    assert.equal(client.agreed, AGREES);
    for (const bytes of SIZES) {
      const messages = [make(bytes), make(bytes), make(bytes)];
      for (const message of messages) client.send(message);
      for (const message of messages) await comesBack(client, message);
    }
    client.close();
  });

  test(`RFC 7692: 12.${index + 1}: ${name} in fragments of each size comes back`, async () => {
    await using target = await Target.start({ compress: true });
    const client = await DeflateClient.open(target.port);
    const message = make(131_072);
    for (const fragmentBytes of [7, 256, 1_024, 4_096, 16_384, 32_768]) {
      client.send(message, { fragmentBytes });
      await comesBack(client, message);
    }
    client.close();
  });
}

/** Offers, each with the size of the window that it leaves to the server. */
const OFFERS: readonly (readonly [offer: string, answer: string | null, windowBits?: number])[] = [
  ["permessage-deflate", AGREED],
  ["permessage-deflate; client_no_context_takeover; server_no_context_takeover", AGREED],
  ["permessage-deflate; server_max_window_bits=9; client_max_window_bits=9", `${AGREED}; server_max_window_bits=9`, 9],
  ["permessage-deflate; server_max_window_bits=15; client_max_window_bits", `${AGREED}; server_max_window_bits=15`],
  ['permessage-deflate;server_max_window_bits="10"', `${AGREED}; server_max_window_bits=10`, 10],
  ["permessage-deflate; server_max_window_bits=8, permessage-deflate", AGREED],
  ["x-webkit-deflate-frame, permessage-deflate; client_max_window_bits", AGREED],
  [
    "permessage-deflate; mystery, permessage-deflate; server_max_window_bits=9",
    `${AGREED}; server_max_window_bits=9`,
    9,
  ],
  ["permessage-deflate; server_max_window_bits=8", null],
  ["permessage-deflate; server_max_window_bits=16", null],
  ["permessage-deflate; server_max_window_bits", null],
  ["permessage-deflate; server_max_window_bits=09", null],
  ["permessage-deflate; client_max_window_bits=7", null],
  ["permessage-deflate; server_no_context_takeover=1", null],
  ["permessage-deflate; client_no_context_takeover; client_no_context_takeover", null],
  ["permessage-deflate; __proto__", null],
  ["permessage-bzip2", null],
  ["permessage-deflate=1", null],
  [";,;=,", null],
];
for (const [offer, answer, windowBits = 15] of OFFERS) {
  test(`RFC 7692: 13: the offer ${JSON.stringify(offer)} is ${answer === null ? "declined" : "accepted"}`, async () => {
    await using target = await Target.start({ compress: true });
    const client = await DeflateClient.open(target.port, offer);
    assert.equal(client.answer, AGREES ? answer : null);
    for (const bytes of [16, 4_096, 131_072]) {
      const message = ofBytes(Array.from({ length: bytes }, () => random.pick(words)).join(" "), bytes);
      client.send(message, { windowBits: Math.max(9, Math.min(windowBits, 15)) });
      await comesBack(client, message, windowBits);
    }
    client.close();
  });
}

test("RFC 7692: without the option nothing is agreed to", async () => {
  await using target = await Target.start();
  const client = await DeflateClient.open(target.port);
  assert.equal(client.answer, null);
  client.close();
});

/** Frames of a client that agreed to compress, and the code that they are closed with. */
const BROKEN: readonly (readonly [name: string, code: number, ...frames: Buffer[]])[] = [
  [
    "a continuation that says it is compressed",
    1002,
    frameOf(TEXT, deflated("a"), { rsv: 4, fin: false }),
    frameOf(CONTINUATION, "", { rsv: 4 }),
  ],
  ["a ping that says it is compressed", 1002, frameOf(PING, "", { rsv: 4 })],
  ["another reserved bit", 1002, frameOf(TEXT, deflated("a"), { rsv: 6 })],
  ["bytes that are not deflated", 1007, frameOf(TEXT, Buffer.of(0xff, 0xff, 0xff), { rsv: 4 })],
  ["text that is not UTF-8 once inflated", 1007, frameOf(TEXT, deflated(Buffer.of(0xc3, 0x28)), { rsv: 4 })],
  ["a message over the limit before it is inflated", 1009, frameOf(TEXT, Buffer.alloc(1_048_577), { rsv: 4 })],
];
for (const [name, code, ...frames] of BROKEN) {
  test(`RFC 7692: ${name} closes ${code}, or 1002 if compression is not agreed to`, async () => {
    await using target = await Target.start({ compress: true });
    const client = await DeflateClient.open(target.port);
    client.raw.socket.write(Buffer.concat(frames));
    assert.equal(await closeCode(client.raw), AGREES ? code : 1002);
    await target.alive();
  });
}

test("a decompression bomb is closed with 1009, and not inflated beyond the limit", async () => {
  await using target = await Target.start({ compress: true });
  const bomb = deflated(Buffer.alloc(900_000_000));
  assert.ok(bomb.byteLength < 1_048_576);
  const client = await DeflateClient.open(target.port);
  const before = process.memoryUsage().rss;
  client.raw.socket.write(frameOf(TEXT, bomb, { rsv: 4 }));
  assert.equal(await closeCode(client.raw), AGREES ? 1009 : 1002);
  assert.ok(process.memoryUsage().rss - before < 64_000_000);
  await target.alive();
});

test("many messages that grow to just under the limit are closed with 1008", async () => {
  await using target = await Target.start({ compress: true }, () => ({ onEvent() {} }));
  const client = await DeflateClient.open(target.port);
  const almost = frameOf(TEXT, deflated("x".repeat(1_000_000)), { rsv: 4 });
  client.raw.socket.write(Buffer.concat(Array.from({ length: 40 }, () => almost)));
  assert.equal(await closeCode(client.raw), AGREES ? 1008 : 1002);
});

test("how far a message is compressed tells nothing about messages before it, or about those of other clients", async () => {
  await using target = await Target.start({ compress: true });
  const secret = `{"token":"${"0123456789abcdef".repeat(4)}"}`.padEnd(2_000, "-");
  const sizes: number[] = [];
  for (const before of [secret, `{"token":"${"fedcba9876543210".repeat(4)}"}`.padEnd(2_000, "+")]) {
    const client = await DeflateClient.open(target.port, BROWSER_OFFER);
    client.send(before);
    await comesBack(client, before);
    client.send(secret);
    const frame = await client.frame();
    assert.equal(frame.deflated ?? false, AGREES);
    sizes.push(frame.payload.length);
    client.close();
  }
  assert.equal(sizes[0], sizes[1]);
});

test("a topic decides whether its messages are compressed, whatever the hub says", async () => {
  for (const compress of [true, false]) {
    const topics = [{ match: "secret:*", compress: false }, { match: "prices:*", compress: { minBytes: 100 } }];
    await using target = await Target.start({ compress, topics }, () => ({
      id: "one",
      onConnect: (client) => client.subscribe(["secret:1", "prices:1", "other"]),
    }));
    const client = await DeflateClient.open(target.port);
    await until("the topics to be listened to", () => target.hub.topics().length === 3);
    const sent = { "secret:1": false, "prices:1": true, other: compress };
    for (const [topic, compressed] of Object.entries(sent)) {
      await target.hub.publish(topic, "x".repeat(2_000));
      assert.equal((await client.frame()).deflated ?? false, compressed && AGREES, topic);
    }
    await target.hub.publish("prices:1", "x".repeat(100));
    assert.equal((await client.frame()).deflated ?? false, AGREES);
    client.close();
  }
});

test("messages of a topic with history that a client catches up with are compressed as the topic says", async () => {
  const topics = [{ match: "*", history: { messages: 10 }, compress: false }];
  await using target = await Target.start({ compress: true, topics }, () => ({
    id: "one",
    onConnect: (client) => client.subscribe("room", { from: { last: 2 } }),
  }));
  await target.hub.publish("room", "x".repeat(2_000));
  const client = await DeflateClient.open(target.port);
  assert.equal((await client.frame()).deflated, undefined);
  client.close();
});
