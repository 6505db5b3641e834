import assert from "node:assert/strict";
import type { Session } from "../../src/client/session.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { Events } from "../kit/wait.ts";
import type { PromiseThat } from "./adapter.ts";

/** What every way of serving a hub promises about limits. */
export function limits(promise: PromiseThat): void {
  const ends = new Events<number>("onDisconnect");
  const session: Session = {
    id: "me",
    onDisconnect: (_, code) => ends.add(code),
    onEvent: (client, message) => void client.emit(String(message.length)),
  };

  promise("a message at the limit passes and one over it closes with 1009", () => session, async ({ url }) => {
    for (const over of ["x".repeat(1_001), new Uint8Array(1_001), "é".repeat(501)]) {
      const client = await TestClient.open(url);
      client.send("x".repeat(1_000));
      assert.equal(await client.next(), "1000");
      client.send(over);
      assert.equal((await client.closed()).code, 1009);
      assert.equal(await ends.next(), 1009);
    }
  }, { limits: { maxMessageBytes: 1_000 } });

  promise(
    "a client that does not read is cut and its messages are counted as dropped",
    () => session,
    async ({ hub, port }) => {
      const client = await RawClient.connect(port);
      client.handshake("/ws");
      await client.head();
      client.socket.pause();
      const message = new Uint8Array(1_000_000);
      let dropped = 0;
      for (let sent = 0; sent < 60 && dropped === 0; sent++) dropped = (await hub.broadcast(message)).dropped;
      assert.equal(dropped, 1);
      assert.equal(await hub.online("me"), false);
      assert.equal(await ends.next(), 4008);
      client.socket.destroy();
    },
  );

  let release = (): void => {};
  const counts = new Events<number>("a handled message");
  let handled = 0;
  promise("messages that come while a handler runs wait and keep their order", () => ({
    async onEvent(_client, message) {
      if (handled++ === 0) await new Promise<void>((resolve) => (release = resolve));
      counts.add(Number(message));
    },
  }), async ({ hub, url }) => {
    handled = 0;
    const client = await TestClient.open(url);
    for (let index = 0; index < 6; index++) client.send(String(index));
    while (handled === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    release();
    for (let index = 0; index < 6; index++) assert.equal(await counts.next(), index);
    assert.equal(hub.size, 1);
    await client.close();
  });

  promise("a client that sends too fast is closed with 1008", () => session, async ({ url }) => {
    const client = await TestClient.open(url);
    // No more than one too many: Deno's own server resets a connection that is still sending when it is closed.
    for (let sent = 0; sent < 11; sent++) client.send("x");
    assert.equal((await client.closed()).code, 1008);
    assert.equal(await ends.next(), 1008);
  }, { limits: { messagesPerSecond: 1, messageBurst: 10 } });

  promise("a client that is idle for too long is closed with 4408", () => session, async ({ url }) => {
    const client = await TestClient.open(url);
    assert.equal((await client.closed()).code, 4408);
    assert.equal(await ends.next(), 4408);
  }, { limits: { idleTimeoutMs: 100 } });
}

/** What becomes of a client whose messages wait: an engine that can pause stops reading; with another one the client is closed. */
export function waiting(promise: PromiseThat, canPause: boolean): void {
  const MESSAGES = 2_000;
  const message = "x".repeat(10_000);
  const handled = new Events<number>("a handled message");
  const ends = new Events<number>("an end");
  let release = (): void => {};
  let first = true;
  promise("a client whose messages wait is not read, or closed with 1008", () => ({
    async onEvent(_client, { length }) {
      if (first) await new Promise<void>((resolve) => (release = resolve));
      first = false;
      handled.add(length);
    },
    onDisconnect: (_client, code) => ends.add(code),
  }), async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    for (let sent = 0; sent < MESSAGES; sent++) client.frame(1, Buffer.from(message));
    if (canPause) {
      await untilStill(client);
      assert.ok(client.socket.writableLength > 0, "the server has read all of it");
      release();
      for (let index = 0; index < MESSAGES; index++) assert.equal(await handled.next(), message.length);
      assert.equal(hub.size, 1);
    } else {
      while (hub.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      release();
      assert.equal(await ends.next(), 1008);
    }
    client.socket.destroy();
  }, { limits: { maxBacklogMessages: 4 } });
}

/** Resolves once the server takes nothing more: what the system holds for both sides is less than what was sent. */
async function untilStill({ socket }: RawClient): Promise<void> {
  let left = -1;
  while (socket.writableLength !== left) {
    left = socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
