import assert from "node:assert/strict";
import type { RefusedEvent } from "../../src/door/refusal.ts";
import type { SessionFactory, UpgradeInfo } from "../../src/client/session.ts";
import { TestClient } from "../kit/client.ts";
import { runtime } from "../kit/runtime.ts";
import { RawClient } from "../kit/raw.ts";
import { Events, within } from "../kit/wait.ts";
import type { PromiseThat } from "./adapter.ts";

/** What every way of serving a hub promises about refusals that a page can see, and about what the hub tells of them. */
export function refusals(promise: PromiseThat): void {
  promise(
    "a refusal with a close code opens the connection and closes it with code and reason",
    () => ({ refuse: 4401, reason: "sign in again" }),
    async ({ hub, url }) => {
      for (const protocols of [[], ["chat"], ["meshsocket.bearer.abc"], ["meshsocket.bearer.abc", "chat"]]) {
        const client = await TestClient.open(url, protocols.length > 1 ? protocols : []);
        assert.deepEqual(await client.closed(), { code: 4401, reason: "sign in again" });
      }
      assert.equal(hub.size, 0);
      assert.deepEqual(await hub.broadcast("x"), { delivered: 0, dropped: 0, held: 0, unreachable: [] });
    },
  );

  promise("a refused connection takes room until it has ended", (request) => {
    return new URL(request.url).searchParams.has("no") ? { refuse: 4403 } : { id: "ann" };
  }, async ({ hub, port, url }) => {
    const refused = await RawClient.connect(port);
    refused.handshake("/ws?no");
    assert.equal((await refused.head()).status, 101);
    // Bun ends the connection together with its close frame.
    if (runtime !== "bun") {
      const second = await RawClient.connect(port);
      second.handshake("/ws");
      assert.equal((await second.head()).status, 503);
      second.socket.destroy();
    }
    assert.equal((await refused.next())?.opcode, 8);
    refused.frame(8, new Uint8Array([0x11, 0x33]));
    await refused.ended();
    refused.socket.destroy();
    const client = await TestClient.open(url);
    assert.equal(hub.size, 1);
    await client.close();
  }, { limits: { maxConnections: 1 } });

  promise(
    "a refusal with a code that cannot be sent is refused with 500",
    () => ({ refuse: 1006 }),
    async ({ port }) => {
      const client = await RawClient.connect(port);
      client.handshake("/ws");
      assert.equal((await client.head()).status, 500);
      client.socket.destroy();
    },
  );

  promise("the hub tells of each refusal why, how, and where it came from", (request) => {
    switch (new URL(request.url).searchParams.get("as")) {
      case "response":
        return new Response("no", { status: 402 });
      case "code":
        return { refuse: 4403, reason: "banned" };
      case "number":
        return { id: 5 as never };
      case "empty":
        return { id: "" };
      case "first":
        return { authenticate: () => undefined };
      default:
        throw new Error("boom");
    }
  }, async ({ hub, port, url }) => {
    const refused = new Events<RefusedEvent>("a refusal");
    hub.on("refused", (event) => refused.add(event));
    const facts = { address: "127.0.0.1", url: "/ws" };
    for (
      const [as, seen] of [
        ["response", { reason: "session", status: 402 }],
        ["empty", { reason: "id", status: 400 }],
        [
          "number",
          { reason: "error", status: 500 },
        ],
        ["throw", { reason: "error", status: 500 }],
        ["code", { reason: "session", code: 4403 }],
      ] as const
    ) {
      const client = await RawClient.connect(port);
      client.handshake(`/ws?as=${as}&secret=x`);
      await client.head();
      assert.partialDeepStrictEqual(await refused.next(), { ...facts, ...seen, origin: undefined });
      client.socket.destroy();
    }
    const page = await RawClient.connect(port);
    page.handshake("/ws", { origin: "https://evil.example" });
    assert.equal((await page.head()).status, 403);
    assert.partialDeepStrictEqual(await refused.next(), { ...facts, reason: "origin", origin: "https://evil.example" });
    page.socket.destroy();
    const unsure = await TestClient.open(`${url}?as=first`);
    unsure.ws.send("who am I");
    assert.partialDeepStrictEqual(await refused.next(), { ...facts, reason: "session", code: 4401 });
    assert.equal((await unsure.closed()).code, 4401);
  });

  promise("the hub tells of each client that connects and disconnects", () => ({ id: "ann" }), async ({ hub, url }) => {
    const seen = new Events<string>("an event");
    hub.on("connect", ({ client }) => seen.add(`connect ${client.id}`));
    hub.on("disconnect", ({ client, code, reason }) => seen.add(`disconnect ${client.id} ${code} ${reason}`));
    const client = await TestClient.open(url);
    assert.equal(await seen.next(), "connect ann");
    client.ws.close(4000, "bye");
    assert.equal(await seen.next(), "disconnect ann 4000 bye");
  });

  let info: UpgradeInfo | undefined;
  const aborted: unknown[] = [];
  const reading: SessionFactory = async (_, told) => {
    info = told;
    told.signal.addEventListener("abort", () => aborted.push(told.signal.reason));
    await Promise.resolve();
    return {};
  };
  promise("the signal of an upgrade that succeeded is not aborted", reading, async ({ url }) => {
    aborted.length = 0;
    const client = await TestClient.open(url);
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(info?.signal.aborted, false);
    await client.close();
    assert.deepEqual(aborted, []);
  }, { limits: { upgradeTimeoutMs: 50 } });

  const asked = new Events<AbortSignal>("a question");
  promise("a hub that closes refuses the upgrades that are being decided, and aborts their signal", (_, { signal }) => {
    asked.add(signal);
    return new Promise(() => {});
  }, async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    const signal = await asked.next();
    const closed = hub.close();
    assert.equal((await client.head()).status, 503);
    assert.equal(signal.aborted, true);
    await within("the close", closed);
    client.socket.destroy();
  });
}
