import assert from "node:assert/strict";
import { TestClient } from "../kit/client.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";
import { closeCode, frameOf, Target } from "./target.ts";
import type { Attack } from "./attack.ts";

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;

/** Attacks after the 101. */
export const MESSAGES: readonly Attack[] = [
  {
    id: "A20",
    title: "a frame without a mask",
    answer: "1002",
    async run(target) {
      assert.equal(await target.closeCodeAfter(frameOf(TEXT, "hi", { masked: false })), 1002);
    },
  },
  {
    id: "A21",
    title: "a message over the limit: announced, sent, or summed up from fragments",
    answer: "1009, before it is held in memory",
    async run(target) {
      assert.equal(await target.closeCodeAfter(frameOf(BINARY, "", { length: 1n << 40n })), 1009);
      assert.equal(await target.closeCodeAfter(frameOf(TEXT, "x".repeat(1_048_577))), 1009);
      const half = "x".repeat(600_000);
      const parts = [frameOf(TEXT, half, { fin: false }), frameOf(CONTINUATION, half)];
      assert.equal(await target.closeCodeAfter(...parts), 1009);
    },
  },
  {
    id: "A22",
    title: "a length of 64 bits that overflows",
    answer: "1009 or 1002",
    async run(target) {
      for (const length of [1n << 63n, (1n << 64n) - 1n, (1n << 53n) + 1n]) {
        assert.ok([1009, 1002].includes(await target.closeCodeAfter(frameOf(BINARY, "", { length }))), `${length}`);
      }
    },
  },
  {
    id: "A23",
    title: "one message in hundreds of thousands of fragments",
    answer: "1008 over fragmentBurst",
    differs: { on: "bun", how: "its size alone is bounded" },
    async run(target) {
      for (const payload of ["", "x"]) {
        const client = await target.upgraded();
        const fragment = frameOf(CONTINUATION, payload, { fin: false });
        client.socket.write(frameOf(TEXT, "a", { fin: false }));
        client.socket.write(Buffer.concat(Array.from({ length: 300_000 }, () => fragment)));
        if (runtime === "bun") {
          client.socket.write(frameOf(CONTINUATION, "z"));
          assert.equal((await client.next())?.opcode, TEXT);
          client.socket.destroy();
        } else assert.equal(await closeCode(client), 1008);
      }
    },
  },
  {
    id: "A24",
    title: "a compressed frame to a hub without the option `compress`",
    answer: "compression is not agreed to; 1002",
    async run(target) {
      const client = await target.connect();
      client.handshake("/ws", { "sec-websocket-extensions": "permessage-deflate; client_max_window_bits" });
      const { status, headers } = await client.head();
      assert.equal(status, 101);
      assert.equal(headers.get("sec-websocket-extensions"), null);
      client.socket.write(frameOf(TEXT, "\xed\xc1", { rsv: 4 }));
      assert.equal(await closeCode(client), 1002);
    },
  },
  {
    id: "A26",
    title: "text or a close reason that is not UTF-8",
    answer: "1007",
    async run(target) {
      assert.equal(await target.closeCodeAfter(frameOf(TEXT, Buffer.of(0xc3, 0x28))), 1007);
      assert.equal(await target.closeCodeAfter(frameOf(CLOSE, Buffer.of(0x03, 0xe8, 0xff))), 1007);
    },
  },
  {
    id: "A27",
    title: "frames that break a rule of the protocol",
    answer: "1002",
    async run(target) {
      for (
        const broken of [
          frameOf(PING, "x".repeat(126)),
          frameOf(PING, "", { fin: false }),
          frameOf(TEXT, "x", { rsv: 2 }),
          frameOf(3, "x"),
          frameOf(0xb, "x"),
          frameOf(CONTINUATION, "x"),
          frameOf(CLOSE, Buffer.of(0x03, 0xed)),
          frameOf(CLOSE, Buffer.of(0x03)),
        ]
      ) assert.equal(await target.closeCodeAfter(broken), 1002, broken.subarray(0, 10).toString("hex"));
    },
  },
  {
    id: "A28",
    title: "a flood of pings",
    answer: "1008 over controlBurst",
    async run(target) {
      const pings = Array.from({ length: 300 }, () => frameOf(PING, "x"));
      assert.ok([1008, 1006].includes(await target.closeCodeAfter(Buffer.concat(pings))));
      await until("the flooder to be gone", () => target.hub.size === 0);
    },
  },
  {
    id: "A30",
    title: "a flood of messages",
    answer: "1008 over messagesPerSecond; the others are served",
    async run() {
      await using target = await Target.start({ limits: { messagesPerSecond: 100, messageBurst: 1_000 } });
      const other = await TestClient.open(target.url);
      const flooder = await target.upgraded();
      const codes = closeCode(flooder);
      const flood = Buffer.concat(Array.from({ length: 2_000 }, () => frameOf(TEXT, "x")));
      flooder.socket.write(flood);
      other.send("still served");
      assert.equal(await other.next(), "still served");
      assert.ok([1008, 1006].includes(await codes));
      await other.close();
    },
  },
  {
    id: "A33",
    title: "a close reason that is not a string, to send uninitialised memory",
    answer: "a TypeError, and nothing is sent",
    async run(target) {
      const client = await TestClient.open(`${target.url}?id=victim`);
      for (const reason of [new Uint8Array(8), 100, "x".repeat(124)]) {
        assert.throws(() => target.hub.client("victim")?.close(1000, reason as never), { code: "invalid_argument" });
      }
      client.send("still open");
      assert.equal(await client.next(), "still open");
      await client.close();
    },
  },
  {
    id: "A34",
    title: "a message that makes the handler throw",
    answer: "1011 for that client alone, without the error's text",
    async run(target) {
      const other = await TestClient.open(target.url);
      const client = await TestClient.open(target.url);
      client.send("throw");
      const { code, reason } = await client.closed();
      assert.equal(code, 1011);
      assert.doesNotMatch(reason, /secret/);
      other.send("unharmed");
      assert.equal(await other.next(), "unharmed");
      await other.close();
    },
  },
  {
    id: "A35",
    title: "a peer that never answers a close",
    answer: "its id is free at once; the connection is cut after closeTimeoutMs",
    async run() {
      await using target = await Target.start({ limits: { closeTimeoutMs: 200 } });
      const client = await target.upgraded("/ws?id=mute");
      await until("the client to be there", () => target.hub.client("mute") !== undefined);
      target.hub.client("mute")?.close(1000);
      assert.equal(await target.hub.online("mute"), false);
      await client.ended();
      client.socket.destroy();
    },
  },
];
