import assert from "node:assert/strict";
import type { Session } from "../../src/client/session.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import type { PromiseThat } from "./adapter.ts";

/** What every way of serving a hub promises about messages. */
export function messages(promise: PromiseThat): void {
  const echo: Session = { onEvent: (client, message) => void client.emit(message) };

  promise(
    "text comes as text and bytes as bytes, whatever they hold",
    () => ({ id: "me", ...echo }),
    async ({ url }) => {
      const client = await TestClient.open(url);
      const texts = ["", "plain", "é漢😀", "\0", "x".repeat(125), "y".repeat(126), "z".repeat(70_000)];
      for (const text of texts) {
        client.send(text);
        assert.equal(await client.next(), text);
      }
      const all = Uint8Array.from({ length: 256 }, (_, index) => index);
      for (const bytes of [new Uint8Array(), all, new Uint8Array(70_000).fill(0xff)]) {
        client.send(bytes);
        assert.deepEqual(await client.next(), bytes);
      }
      await client.close();
    },
  );

  promise("a lone surrogate, which UTF-8 cannot say, is sent as U+FFFD", () => ({
    onConnect: (client) => void client.emit("a\ud800b"),
  }), async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    assert.equal((await client.next())?.payload.toString("hex"), "61efbfbd62");
    client.socket.destroy();
  });

  promise("a byte order mark stays in the text", () => echo, async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    client.frame(1, Buffer.from("\u{feff}text"));
    assert.equal((await client.next())?.payload.toString("hex"), "efbbbf74657874");
    client.socket.destroy();
  });

  let received: unknown;
  promise("bytes reach a handler as a Uint8Array that fills its buffer", () => ({
    onEvent(client, message) {
      received = message;
      void client.emit("seen");
    },
  }), async ({ url }) => {
    const client = await TestClient.open(url);
    client.send(Uint8Array.of(1, 2, 3));
    assert.equal(await client.next(), "seen");
    assert.ok(received instanceof Uint8Array);
    assert.equal(received.constructor, Uint8Array);
    assert.equal(received.buffer.byteLength, 3);
    await client.close();
  });

  promise("a message is whole when it came in fragments with a ping between", () => echo, async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    client.socket.write(Buffer.from([0x01, 0x82, 0, 0, 0, 0, 0x68, 0x65]));
    client.frame(9, Buffer.from("ping"));
    client.frame(0, Buffer.from("llo"));
    const frames = [await client.next(), await client.next()];
    assert.deepEqual(frames.map((frame) => [frame?.opcode, frame?.payload.toString()]), [[10, "ping"], [1, "hello"]]);
    client.socket.destroy();
  });

  promise("what one tick sends arrives in order and unmasked", () => ({
    id: "me",
    onConnect(client) {
      for (let index = 0; index < 300; index++) {
        void client.emit(index % 2 ? String(index) : Uint8Array.of(index & 0xff));
      }
    },
  }), async ({ url }) => {
    const client = await TestClient.open(url);
    for (let index = 0; index < 300; index++) {
      assert.deepEqual(await client.next(), index % 2 ? String(index) : Uint8Array.of(index & 0xff));
    }
    await client.close();
  });

  promise("broadcast, publish and emit reach whom they name", (request) => ({
    id: new URL(request.url).searchParams.get("id") ?? "",
    onConnect: (client) => client.subscribe("room"),
  }), async ({ hub, url }) => {
    const [a, b] = await Promise.all(["a", "b"].map((id) => TestClient.open(`${url}?id=${id}`)));
    assert.ok(a && b);
    assert.deepEqual(await hub.broadcast("all"), { delivered: 2, held: 0, dropped: 0, unreachable: [] });
    assert.deepEqual(await hub.publish("room", "not b", { except: ["b"] }), {
      delivered: 1,
      held: 0,
      dropped: 0,
      unreachable: [],
    });
    assert.equal(await hub.emit("b", "only b"), true);
    assert.equal(await hub.emit("nobody", "x"), false);
    assert.deepEqual([await a.next(), await a.next()], ["all", "not b"]);
    assert.deepEqual([await b.next(), await b.next()], ["all", "only b"]);
    await Promise.all([a.close(), b.close()]);
  });
}
