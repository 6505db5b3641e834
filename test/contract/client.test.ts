/** The client package against real servers of this runtime, with a network that drops its connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, MeshError, MeshWebSocket } from "../../client/index.ts";
import type { Session, SessionFactory } from "../../src/client/session.ts";
import { scene, took } from "../kit/client-scene.ts";
import { Events, within } from "../kit/wait.ts";

const echo: Session = { onEvent: (client, message) => client.emit(message) };

test("client: options and URLs that are wrong are refused with what to write", () => {
  const url = "ws://127.0.0.1:9";
  const bad: readonly (readonly [says: RegExp, ...args: unknown[]])[] = [
    [/unknown option "auth": there are .*token/, url, { auth: 1 }],
    [/options are an object such as \{ protocols: "chat" \}, not "chat"/, url, "chat"],
    [/options are an object .*, not \["chat"\]/, url, ["chat"]],
    [/options are an object .*, not 5/, url, 5],
    [/options are an object .*, not null/, url, null],
    [/token must be a function, not a string/, url, { token: "t" }],
    [/pingMs must be a number, not a string/, url, { pingMs: "5" }],
    [/protocols must be strings/, url, { protocols: 5 }],
    [/the URL must be such as "wss:.*not undefined/],
    [/the URL must be such as "wss:.*not not a URL/, "not a URL"],
  ];
  for (const [message, ...args] of bad) {
    assert.throws(() => connect(...(args as Parameters<typeof connect>)), (error: TypeError & { code?: string }) => {
      assert.match(error.message, message);
      assert.equal(error.code, "invalid_argument");
      return true;
    });
  }
  assert.throws(() => new MeshWebSocket(url, { auth: 1 } as never), /protocols must be strings; options come after/);
  assert.throws(() => new MeshWebSocket(url, "chat", { auth: 1 } as never), /unknown option "auth"/);
  new MeshWebSocket(url, "chat").close();
  connect(url, { protocols: "chat", maxBytes: undefined as never }).close();
});

test("client: sends and receives text and bytes, also such as look like control lines", () =>
  scene(echo, async ({ open }) => {
    const { ws, log } = open();
    assert.equal(ws.readyState, MeshWebSocket.CONNECTING);
    await took(log, "open");
    assert.equal(ws.readyState, MeshWebSocket.OPEN);
    assert.equal(ws.id, "me");
    for (const text of ["hello", "~ack 5", "~~", ""]) {
      ws.send(text);
      await took(log, text);
    }
    ws.send(new Uint8Array([126, 1, 2]));
    await took(log, "126,1,2");
    ws.send(new Blob(["slow"]));
    ws.send("after the blob");
    await took(log, "115,108,111,119", "after the blob");
    ws.close(1000, "done");
    await took(log, "close 1000");
    assert.equal(ws.readyState, MeshWebSocket.CLOSED);
  }));

test("client: a dropped connection loses nothing in either direction", () => {
  const heard = new Events<string>("a message for the server");
  return scene({ onEvent: (_, message) => heard.add(String(message)) }, async ({ hub, proxy, open }) => {
    const { ws, log } = open();
    await took(log, "open");
    ws.send("1");
    await hub.emit("me", "a");
    assert.equal(await heard.next(), "1");
    await took(log, "a");
    proxy.refuse(true);
    proxy.cut();
    await took(log, "away");
    assert.equal(ws.readyState, MeshWebSocket.OPEN);
    ws.send("2");
    ws.send("3");
    await hub.emit("me", "b");
    proxy.refuse(false);
    await took(log, "resumed", "b");
    assert.deepEqual([await heard.next(), await heard.next()], ["2", "3"]);
    assert.deepEqual([heard.waiting, log.waiting], [[], []]);
  });
});

test("client: a message to confirm is confirmed by the client itself, at once or after it came back", () =>
  scene({}, async ({ hub, proxy, open }) => {
    const { log } = open();
    await took(log, "open");
    const started = performance.now();
    assert.equal(await hub.emit("me", "a", { confirm: true, timeoutMs: 8_000 }), true);
    assert.ok(performance.now() - started < 900, "long before it acknowledges by itself");
    await took(log, "a");
    proxy.refuse(true);
    proxy.cut();
    await took(log, "away");
    const confirmed = hub.emit("me", "b", { confirm: true, timeoutMs: 60_000 });
    await assert.rejects(hub.emit("me", "c", { confirm: true, timeoutMs: 20 }), { code: "deadline_exceeded" });
    proxy.refuse(false);
    assert.equal(await confirmed, true);
    await took(log, "resumed", "b", "c");
  }));

test("client: messages under way when the network stops are sent again, once", () => {
  const heard = new Events<string>("a message for the server");
  return scene({ onEvent: (_, message) => heard.add(String(message)) }, async ({ hub, proxy, open }) => {
    const { ws, log } = open();
    await took(log, "open");
    for (let round = 0; round < 5; round++) {
      proxy.shape({ swallow: true }, [round % 2 === 0 ? "there" : "back"]);
      for (let index = 0; index < 10; index++) {
        ws.send(`${round}.${index}`);
        await hub.emit("me", `${round}.${index}`);
      }
      proxy.cut();
      proxy.shape({});
      const got: string[] = [];
      while (got.filter((each) => /^\d/.test(each)).length < 10) got.push(await log.next());
      const expected = Array.from({ length: 10 }, (_, index) => `${round}.${index}`);
      assert.deepEqual(got.filter((each) => /^\d/.test(each)), expected);
      await ws.confirm(`end of ${round}`);
      await took(heard, ...expected, `end of ${round}`);
      while (log.waiting.length > 0) await log.next();
    }
    assert.deepEqual(heard.waiting, []);
  });
});

test("client: after the window it is lost, says what is pending, and goes on as a new client", () =>
  scene(echo, async ({ hub, proxy, open }) => {
    const { ws, log } = open();
    await took(log, "open");
    proxy.refuse(true);
    const gone = new Promise((resolve) => hub.on("lost", resolve));
    proxy.cut();
    await took(log, "away");
    ws.send("meanwhile");
    const confirmed = assert.rejects(ws.confirm("and this"), { code: "unknown" });
    await within("the end of the window", gone);
    proxy.refuse(false);
    await took(log, "lost unknown meanwhile,and this", "open");
    await confirmed;
    ws.send("again");
    await took(log, "again");
  }, { resume: { windowMs: 50 } }));

test("client: as the WebSocket of a library it closes when it is lost", () =>
  scene(echo, async ({ hub, proxy, open }) => {
    const { ws, log } = open({}, []);
    await took(log, "open");
    const gone = new Promise((resolve) => hub.on("lost", resolve));
    proxy.refuse(true);
    proxy.cut();
    await took(log, "away");
    await within("the end of the window", gone);
    proxy.refuse(false);
    // Its own clock may say that the window is over before the server does.
    assert.match(await log.next(), /^lost (unknown|closed) $/);
    await took(log, "close 1006");
    assert.equal(ws.readyState, MeshWebSocket.CLOSED);
  }, { resume: { windowMs: 50 } }));

test("client: calls both ways, with errors that have a code, over a dropped connection", () =>
  scene({
    onRequest(_, message) {
      if (message === "missing") throw new MeshError("not_found", "there is none");
      return typeof message === "string" ? `<${message}>` : message;
    },
  }, async ({ hub, proxy, open }) => {
    const { ws, log } = open();
    ws.onrequest = (message) => `${String(message)}!`;
    assert.equal(await ws.request("now?"), "<now?>");
    assert.deepEqual(await ws.request(new Uint8Array([10, 126])), new Uint8Array([10, 126]));
    await assert.rejects(ws.request("missing"), { code: "not_found", message: "there is none" });
    assert.equal(await hub.request("me", "ready?"), "ready?!");
    proxy.refuse(true);
    proxy.cut();
    await took(log, "open", "away");
    const asked = ws.request("later");
    const called = hub.request("me", "you?");
    proxy.refuse(false);
    assert.equal(await asked, "<later>");
    assert.equal(await called, "you?!");
  }));

test("client: an answer to a call of the client that was lost does not answer a call to the new one", () => {
  const first = Promise.withResolvers<string>();
  const second = Promise.withResolvers<string>();
  const asked = new Events<string>("a call to the client");
  return scene({}, async ({ hub, open }) => {
    const { ws, log } = open();
    ws.onrequest = (message) => {
      asked.add(String(message));
      return message === "first?" ? first.promise : second.promise;
    };
    await took(log, "open");
    const before = assert.rejects(hub.request("me", "first?"), { code: "unknown" });
    assert.equal(await asked.next(), "first?");
    await hub.disconnect("me", 1013);
    await before;
    await took(log, "away", "lost unknown ", "open");
    const after = hub.request("me", "second?");
    assert.equal(await asked.next(), "second?");
    first.resolve("answer to the first");
    await new Promise((resolve) => setTimeout(resolve, 5));
    second.resolve("answer to the second");
    assert.equal(await after, "answer to the second");
  });
});

test("client: confirm settles once the server has the message", () => {
  const heard = new Events<string>("a message for the server");
  return scene({ onEvent: (_, message) => heard.add(String(message)) }, async ({ open }) => {
    const { ws } = open();
    await ws.confirm("1");
    await took(heard, "1");
    await assert.rejects(ws.confirm("2", { signal: AbortSignal.abort(new Error("mine")) }), /mine/);
  });
});

test("client: a refusal ends it, and a token is asked for before each attempt", () => {
  let asked = 0;
  const factory: SessionFactory = (request) => {
    const offers = request.headers.get("sec-websocket-protocol") ?? "";
    return offers.includes("meshsocket.bearer.good-1") ? { id: "me" } : { refuse: 4401, reason: "who are you?" };
  };
  return scene(factory, async ({ proxy, open }) => {
    const { log } = open({ token: async () => `good-${++asked}` });
    await took(log, "open");
    proxy.cut();
    await took(log, "away", "refused 4401", "close 4401");
    assert.equal(asked, 2);
  });
});

test("client: close codes are obeyed", () =>
  scene({ onEvent: (client, message) => client.close(Number(message), "told to") }, async ({ open }) => {
    for (const code of ["1000", "4400", "1008", "4409"]) {
      const { ws, log } = open();
      await took(log, "open");
      ws.send(code);
      if (code !== "1000") await took(log, `refused ${code}`);
      await took(log, `close ${code}`);
    }
    const { ws, log } = open();
    await took(log, "open");
    ws.send("1013");
    await took(log, "away", "lost unknown 1013", "open");
  }));

test("client: a signal closes it, and a bound keeps the queue small", () =>
  scene(echo, async ({ proxy, open }) => {
    const controller = new AbortController();
    const { ws, log } = open({ signal: controller.signal, maxBytes: 10 });
    await took(log, "open");
    proxy.refuse(true);
    proxy.cut();
    await took(log, "away");
    ws.send("123456");
    assert.throws(() => ws.send("789012"), { code: "resource_exhausted" });
    controller.abort();
    await took(log, "lost closed 123456", "close 1005");
  }));

test("client: a plain server is connected to again, and nothing is promised", async () => {
  await scene((): Session => ({ ...echo, protocol: "chat" }), async ({ proxy, open }) => {
    const { ws, log } = open({ protocols: ["chat"] });
    await took(log, "open");
    assert.equal(ws.protocol, "chat");
    ws.send("~hello");
    await took(log, "~hello");
    await assert.rejects(ws.confirm("x"), { code: "failed_precondition" });
    proxy.cut();
    await took(log, "away", "lost plain ", "open");
    ws.send("again");
    await took(log, "again");
  });
});

test("client: a server that is silent is given up, and found again", () =>
  scene(echo, async ({ proxy, open }) => {
    const { ws, log } = open({ pingMs: 100, pongMs: 100 });
    await took(log, "open");
    proxy.pause();
    await took(log, "away");
    proxy.cut();
    proxy.resume();
    await took(log, "resumed");
    ws.send("alive");
    await took(log, "alive");
  }));
