import assert from "node:assert/strict";
import type { Session } from "../../src/client/session.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { Events, within } from "../kit/wait.ts";
import type { PromiseThat } from "./adapter.ts";

/** What every way of serving a hub promises about the end of a connection. */
export function closing(promise: PromiseThat): void {
  const ends = new Events<[code: number, reason: string]>("onDisconnect");
  const statuses = new Events<number>("an answer while the hub closes");
  const session: Session = {
    id: "me",
    onDisconnect: (_, code, reason) => ends.add([code, reason]),
    onEvent(client, message) {
      if (message === "close") client.close(4001, "thé end");
      if (message === "plain") client.close();
      if (message === "away") client.close(1001, "");
      if (message === "cut") client.terminate();
      if (message === "throw") throw new Error("boom");
      if (message === "reject") return Promise.reject(new Error("boom"));
      return undefined;
    },
    onError: () => {},
  };

  const byClient: [string, [number?, string?], [number, string]][] = [
    ["a code and a reason", [4000, "byé"], [4000, "byé"]],
    ["a code alone", [1000], [1000, ""]],
    ["nothing, which shows as 1005", [], [1005, ""]],
  ];
  for (const [name, args, expected] of byClient) {
    promise(`a client closes with ${name}`, () => session, async ({ hub, url }) => {
      const client = await TestClient.open(url);
      const closed = await client.close(...args);
      assert.deepEqual(await ends.next(), expected);
      assert.deepEqual([closed.code, closed.reason], expected);
      assert.equal(hub.size, 0);
    });
  }

  const byServer: [string, string, [number, string]][] = [
    ["the server closes with a code and a reason", "close", [4001, "thé end"]],
    ["the server closes with 1000 by default", "plain", [1000, ""]],
    ["the server closes with a code alone", "away", [1001, ""]],
  ];
  for (const [name, message, expected] of byServer) {
    promise(name, () => session, async ({ url }) => {
      const client = await TestClient.open(url);
      client.send(message);
      const { code, reason } = await client.closed();
      assert.deepEqual([code, reason], expected);
      assert.deepEqual(await ends.next(), expected);
    });
  }

  for (const message of ["throw", "reject"]) {
    promise(`a handler that ${message}s closes its client with 1011`, () => session, async ({ url }) => {
      const client = await TestClient.open(url);
      client.send(message);
      assert.equal((await client.closed()).code, 1011);
      assert.equal((await ends.next())[0], 1011);
    });
  }

  promise("a lost connection shows as 1006", () => session, async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    client.socket.destroy();
    assert.deepEqual(await ends.next(), [1006, ""]);
    assert.equal(hub.size, 0);
  });

  promise("terminate ends the connection for both at once", () => session, async ({ hub, url }) => {
    const client = await TestClient.open(url);
    client.send("cut");
    await client.closed();
    assert.deepEqual(await ends.next(), [1006, ""]);
    assert.equal(hub.size, 0);
  });

  promise("a message that came with a close is answered before the close is", () => ({
    onEvent: (client, message) => void client.emit(message),
    onDisconnect: (_, code, reason) => ends.add([code, reason]),
  }), async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    client.socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69, 0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0]));
    const frames = [await client.next(), await client.next()];
    assert.deepEqual(frames.map((frame) => [frame?.opcode, frame?.payload.toString("hex")]), [[1, "6869"], [
      8,
      "0fa0",
    ]]);
    client.socket.end();
    assert.deepEqual(await ends.next(), [4000, ""]);
  });

  promise("a peer that never answers a close does not keep its id", () => session, async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    assert.equal(await hub.disconnect("me", 4002, "out"), true);
    assert.equal((await client.next())?.opcode, 8);
    assert.equal(await hub.online("me"), false);
    assert.deepEqual(await ends.next(), [4002, "out"]);
    client.socket.destroy();
  }, { limits: { closeTimeoutMs: 300 } });

  promise("the closing hub closes its clients with 1012", () => session, async ({ hub, url }) => {
    const client = await TestClient.open(url);
    const closed = hub.close();
    const { code, reason } = await client.closed();
    assert.equal(code, 1012);
    assert.match(reason, /^\{"retryAfterMs":\d+\}$/);
    assert.deepEqual(await ends.next(), [1012, reason]);
    await within("the close", closed);
    assert.equal(hub.size, 0);
  });

  promise("a closing hub refuses upgrades with 503", (request) => ({
    async onDisconnect() {
      const late = await RawClient.connect(Number(new URL(request.url).port));
      late.handshake("/ws");
      statuses.add((await late.head()).status);
      late.socket.destroy();
    },
  }), async ({ hub, port }) => {
    const lingering = await RawClient.connect(port);
    lingering.handshake("/ws", { host: `127.0.0.1:${port}` });
    await lingering.head();
    const client = await TestClient.open(`ws://127.0.0.1:${port}/ws`);
    const closed = hub.close({ drainMs: 1_000 });
    assert.equal(await statuses.next(), 503);
    lingering.socket.destroy();
    await client.closed();
    await within("the close", closed);
  });

  promise("a hub that announced its end takes clients until it drains", () => ({}), async ({ hub, port }) => {
    const closed = hub.close({ announceMs: 1_000 });
    const client = await TestClient.open(`ws://127.0.0.1:${port}/ws`);
    assert.equal(hub.status, "draining");
    assert.equal((await client.closed()).code, 1012);
    await within("the close", closed);
  });
}

/** The promise of an engine that shows a peer's close at once. */
export function leaving(promise: PromiseThat): void {
  const ends = new Events<[code: number, reason: string]>("onDisconnect");

  promise(
    "a client that is sent to while it leaves is said to have left with its own code",
    () => ({ onDisconnect: (_, code, reason) => ends.add([code, reason]) }),
    async ({
      hub,
      port,
    }) => {
      const client = await RawClient.connect(port);
      client.handshake("/ws");
      await client.head();
      client.frame(8, Buffer.of(0x0f, 0xa0));
      let sent = 0;
      while ((await hub.broadcast("x")).delivered > 0 && sent < 100_000) sent++;
      client.socket.end();
      assert.deepEqual(await ends.next(), [4000, ""]);
    },
  );
}
