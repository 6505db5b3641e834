import assert from "node:assert/strict";
import type { Session } from "../../src/client/session.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { until } from "../kit/until.ts";
import { Events } from "../kit/wait.ts";
import type { PromiseThat } from "./adapter.ts";

const PING = 9;
const PONG = 10;

const ends = new Events<number>("onDisconnect");
const session: Session = {
  onDisconnect: (_, code) => ends.add(code),
  onEvent: (client, message) => void client.emit(message),
};

/** What every way of serving promises about those who fall silent. */
export function heartbeat(promise: PromiseThat): void {
  const limits = { pingMs: 200, pongMs: 200 };

  promise(
    "a peer that falls silent is cut within ping and pong time, as 1006",
    () => session,
    async ({ port, hub }) => {
      const client = await RawClient.connect(port);
      client.handshake("/ws");
      await client.head();
      const since = performance.now();
      assert.equal((await client.next())?.opcode, PING);
      await client.ended();
      assert.equal(await ends.next(), 1006);
      assert.ok(performance.now() - since < 3_000, "it took too long");
      assert.equal(hub.size, 0);
      client.socket.destroy();
    },
    { limits },
  );

  promise("a peer that answers pings stays", () => session, async ({ url, port }) => {
    const browser = await TestClient.open(url);
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    for (let pings = 0; pings < 5; pings++) {
      const frame = await client.next();
      assert.equal(frame?.opcode, PING);
      client.frame(PONG, frame.payload);
    }
    browser.send("still there");
    assert.equal(await browser.next(), "still there");
    client.socket.destroy();
    assert.equal(await ends.next(), 1006);
    await browser.close();
    await ends.next();
  }, { limits });

  promise("a peer that falls silent with its buffer full is cut as well", () => ({
    ...session,
    onConnect: (client) => void client.emit(new Uint8Array(8_388_608)),
  }), async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await until("the client to be there", () => hub.size === 1);
    client.socket.pause();
    assert.equal(await ends.next(), 1006);
    assert.equal(hub.size, 0);
    client.socket.destroy();
  }, { limits: { ...limits, maxMessageBytes: 16_777_216, maxBufferedBytes: 16_777_216 } });
}

/** What a way of serving promises whose engine shows what is pinged. */
export function controls(promise: PromiseThat): void {
  promise("a flood of pings is closed with 1008", () => session, async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    for (let sent = 0; sent < 40; sent++) client.frame(PING);
    let frame = await client.next();
    while (frame && frame.opcode !== 8) frame = await client.next();
    assert.equal(frame?.payload.readUInt16BE(0), 1008);
    assert.equal(await ends.next(), 1008);
    client.socket.destroy();
  }, { limits: { controlsPerSecond: 1, controlBurst: 20 } });
}
