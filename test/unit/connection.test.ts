import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { Events } from "../kit/wait.ts";

/** Connects one client to a new hub for the time of a test. */
async function connected(
  session: Session,
  run: (client: MemoryClient, hub: Hub) => Promise<void>,
  options: HubOptions = {},
): Promise<void> {
  await using hub = new Hub({ logger: silentLogger, ...options });
  await run(await MemoryClient.open(hub, { id: "me", ...session }), hub);
}

/** A session whose `onEvent` stays in each message until it is released. */
function slow(): { session: Session; log: Events<string>; release: () => void } {
  const log = new Events<string>("an entry of the log");
  const waiting: (() => void)[] = [];
  const session: Session = {
    async onEvent(_, message) {
      log.add(`start ${String(message)}`);
      await new Promise<void>((resolve) => waiting.push(resolve));
      log.add(`end ${String(message)}`);
    },
    onDisconnect: (_, code) => log.add(`disconnect ${code}`),
  };
  return { session, log, release: () => waiting.shift()?.() };
}

test("handlers of one client run one at a time, in arrival order", () => {
  const { session, log, release } = slow();
  return connected(session, async (client) => {
    for (const text of ["a", "b", "c"]) client.socket.send(text);
    for (const text of ["a", "b", "c"]) {
      assert.equal(await log.next(), `start ${text}`);
      assert.deepEqual(log.waiting, []);
      release();
      assert.equal(await log.next(), `end ${text}`);
    }
  });
});

test("no message is handled before onConnect settled", () => {
  const log = new Events<string>("an entry of the log");
  const opened = Promise.withResolvers<void>();
  return connected({
    async onConnect() {
      log.add("connect");
      await opened.promise;
      log.add("connected");
    },
    onEvent: (_, message) => log.add(String(message)),
  }, async (client) => {
    client.socket.send("a");
    client.socket.send("b");
    assert.equal(await log.next(), "connect");
    opened.resolve();
    assert.deepEqual([await log.next(), await log.next(), await log.next()], ["connected", "a", "b"]);
  });
});

test("onDisconnect runs last, after the messages that came before the close", () => {
  const { session, log, release } = slow();
  return connected(session, async (client) => {
    client.socket.send("a");
    client.socket.send("b");
    client.socket.close(4000, "bye");
    assert.equal(await log.next(), "start a");
    release();
    assert.equal(await log.next(), "end a");
    assert.equal(await log.next(), "start b");
    release();
    assert.equal(await log.next(), "end b");
    assert.equal(await log.next(), "disconnect 4000");
  });
});

test("a backlog that is full closes a client whose engine cannot pause, with 1008", () => {
  const { session, release } = slow();
  return connected(session, async (client) => {
    for (let index = 0; index < 10; index++) client.socket.send(String(index));
    assert.equal((await client.closed()).code, 1008);
    release();
  }, { limits: { maxBacklogMessages: 5 } });
});

for (const kind of ["throws", "rejects", "throws what is no Error"]) {
  test(`an onEvent that ${kind} reaches onError and closes its own client with 1011, and hears no more`, () => {
    const errors = new Events<Error>("an error");
    const heard: unknown[] = [];
    return connected({
      onEvent(_, message) {
        heard.push(message);
        if (kind === "rejects") return Promise.reject(new Error("boom"));
        throw (kind === "throws" ? new Error("boom") : "boom") as Error;
      },
      onError: (_, error) => errors.add(error),
    }, async (client, hub) => {
      const other = await MemoryClient.open(hub, { id: "other" });
      client.socket.send("a");
      client.socket.send("b");
      assert.equal((await client.closed()).code, 1011);
      assert.match((await errors.next()).message, /boom|not an Error/);
      assert.deepEqual(heard, ["a"]);
      assert.equal(await hub.emit("other", "still here"), true);
      assert.equal(await other.next(), "still here");
      assert.equal(await hub.online("me"), false);
    });
  });
}

test("an onConnect that fails closes the client with 1011 and onDisconnect still runs", () => {
  const codes = new Events<number>("onDisconnect");
  return connected({
    onConnect: () => Promise.reject(new Error("boom")),
    onDisconnect: (_, code) => codes.add(code),
    onError: () => {},
  }, async (client) => {
    assert.equal((await client.closed()).code, 1011);
    assert.equal(await codes.next(), 1011);
  });
});

test("a send that fails in a handler reaches onError and does not close the client", () => {
  const errors = new Events<Error>("an error");
  return connected({
    onEvent: (client) => client.emit("x".repeat(2_000)),
    onError: (_, error) => errors.add(error),
  }, async (client, hub) => {
    client.socket.send("a");
    const error = await errors.next();
    assert.ok(error instanceof MeshError);
    assert.equal(error.code, "resource_exhausted");
    assert.equal(await hub.emit("me", "still here"), true);
    assert.equal(await client.next(), "still here");
  }, { limits: { maxMessageBytes: 1_000 } });
});

test("an onError that fails, and an onDisconnect that fails, harm nobody", () => {
  const done = new Events<string>("onDisconnect");
  return connected({
    onEvent() {
      throw new Error("boom");
    },
    onError: () => Promise.reject(new Error("late")),
    onDisconnect() {
      done.add("done");
      return Promise.reject(new Error("boom"));
    },
  }, async (client, hub) => {
    client.socket.send("a");
    assert.equal(await done.next(), "done");
    assert.equal(hub.size, 0);
  });
});

test("what was sent before a close arrives before it, and nothing is taken after", () => {
  return connected({}, async (client, hub) => {
    const me = hub.client("me");
    const before = me?.emit("before");
    me?.close(4000, "bye");
    assert.equal(await me?.emit("after"), false);
    assert.equal(await before, true);
    assert.equal(await client.next(), "before");
    assert.deepEqual(await client.closed(), { code: 4000, reason: "bye" });
    assert.deepEqual(client.waiting, []);
  });
});

test("a close code or reason that cannot be sent is a TypeError", () => {
  return connected({}, async (_, hub) => {
    const me = hub.client("me");
    for (const [code, reason] of [[1005, ""], [1006, ""], [999, ""], [5000, ""], [1000, "é".repeat(62)]] as const) {
      assert.throws(() => me?.close(code, reason), { name: "TypeError", code: "invalid_argument" });
    }
    assert.equal(me?.open, true);
  });
});

test("a client that does not read is cut with 4008 and its message counted as dropped", () => {
  const codes = new Events<number>("onDisconnect");
  return connected({ onDisconnect: (_, code) => codes.add(code) }, async (client, hub) => {
    client.socket.stall();
    assert.deepEqual(await hub.broadcast(new Uint8Array(900)), { delivered: 1, held: 0, dropped: 0, unreachable: [] });
    assert.deepEqual(await hub.broadcast(new Uint8Array(900)), { delivered: 0, held: 0, dropped: 1, unreachable: [] });
    assert.equal(await codes.next(), 4008);
    assert.equal(hub.size, 0);
  }, { limits: { maxBufferedBytes: 1_000 } });
});

/** A logger that keeps texts and errors. */
function keptLog(): { logger: HubOptions["logger"]; lines: string[] } {
  const lines: string[] = [];
  return {
    logger: { ...silentLogger, error: (...data: unknown[]) => void lines.push(data.map(String).join(": ")) },
    lines,
  };
}

for (const handler of ["onConnect", "onEvent", "onDisconnect"] as const) {
  test(`the log names the client, the handler ${handler} and its error`, () => {
    const { logger, lines } = keptLog();
    const session: Session = {
      [handler]: () => Promise.reject(new Error("boom")),
    };
    return connected(session, async (client, hub) => {
      client.socket.send("x");
      if (handler === "onDisconnect") client.socket.close(1000);
      else assert.equal((await client.closed()).code, 1011);
      await hub.close();
      assert.deepEqual(lines, [`meshsocket: ${handler} of client "me" failed: Error: boom`]);
    }, { ...(logger && { logger }) });
  });
}

test('with handlerError "report" a client whose handler failed stays, and its next message is handled', () =>
  connected({
    onEvent: (client, message) => {
      if (message === "bad") throw new Error("boom");
      return client.emit(`got ${String(message)}`);
    },
  }, async (client) => {
    client.socket.send("bad");
    client.socket.send("good");
    assert.equal(await client.next(), "got good");
  }, { handlerError: "report" }));

for (
  const [handlerError, decided, stays] of [["close", "report", true], ["report", "close", false]] as const
) {
  test(`an onError that returns "${decided}" decides, whatever handlerError says`, () =>
    connected({
      onEvent: (client, message) => {
        if (message === "bad") throw new Error("boom");
        return client.emit("good");
      },
      onError: () => decided,
    }, async (client) => {
      client.socket.send("bad");
      client.socket.send("good");
      if (stays) assert.equal(await client.next(), "good");
      else assert.equal((await client.closed()).code, 1011);
    }, { handlerError }));
}
