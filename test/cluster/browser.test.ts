/** How a page authenticates, and what it sees of each refusal, in Chromium. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { verifyBearer } from "../../src/door/auth.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { createToken } from "../../src/rpc/token.ts";
import type { Session } from "../../src/client/session.ts";
import { startBrowser } from "../kit/browser.ts";
import { loadServe } from "../kit/servers.ts";

const SECRET = "a secret of more than thirty-two bytes";
const COOKIE = "session=abc123";

let hub: Hub;
let server: Server;
let browser: Browser;
let page: Page;
let token: string;

before(async () => {
  hub = new Hub({ logger: silentLogger });
  const serve = await loadServe();
  [server, browser, token] = await Promise.all([
    serve(hub, { port: 0, hostname: "127.0.0.1", session, fetch: () => html() }),
    startBrowser(),
    createToken({ secret: SECRET, audience: "chat" }),
  ]);
  page = await browser.newPage();
  await page.goto(server.url);
});

after(async () => {
  await browser.close();
  await hub.close();
});

function html(): Response {
  const headers = { "content-type": "text/html", "set-cookie": `${COOKIE}; HttpOnly; SameSite=Strict; Path=/` };
  return new Response("<!doctype html><title>page</title>", { headers });
}

const welcome: Session = { onConnect: (client) => client.emit(`welcome ${client.protocol}`) };

async function session(request: Request) {
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case "/subprotocol": {
      const claims = await verifyBearer(request, { key: SECRET, audience: "chat" });
      return claims instanceof Response ? claims : welcome;
    }
    case "/subprotocol-with-code": {
      const claims = await verifyBearer(request, { key: SECRET, audience: "chat" });
      return claims instanceof Response ? { refuse: 4401, reason: "sign in again" } : welcome;
    }
    case "/first":
      return { authenticate: (message: string | Uint8Array) => (message === token ? welcome : undefined) };
    case "/cookie":
      return request.headers.get("cookie") === COOKIE ? welcome : { refuse: 4401, reason: "no cookie" };
    default:
      return { refuse: Number(searchParams.get("code")), reason: "because" };
  }
}

/** What a page sees of one connection, until its first message or its end. */
interface Seen {
  opened: boolean;
  protocol: string;
  message?: string;
  code?: number;
  reason?: string;
}

/** A connection that a page is to open, and what it sends once it is open. */
interface Attempt {
  path: string;
  protocols: string[];
  first: string | undefined;
}

/** Opens a plain WebSocket; runs in the page. */
function open({ path, protocols, first }: Attempt): Promise<Seen> {
  return new Promise((resolve) => {
    const ws = new WebSocket(`ws://${location.host}${path}`, protocols);
    let opened = false;
    ws.addEventListener("open", () => {
      opened = true;
      if (first !== undefined) ws.send(first);
    });
    ws.addEventListener("message", ({ data }) => {
      resolve({ opened, protocol: ws.protocol, message: String(data) });
      ws.close();
    });
    ws.addEventListener("close", ({ code, reason }) => resolve({ opened, protocol: ws.protocol, code, reason }));
  });
}

async function connect(path: string, protocols: string[] = [], first?: string): Promise<Seen> {
  return await page.evaluate(open, { path, protocols, first });
}

test("browser: a token in a subprotocol authenticates, alone and beside another protocol", async () => {
  const bearer = `meshsocket.bearer.${token}`;
  assert.deepEqual(await connect("/subprotocol", [bearer]), { opened: true, protocol: bearer, message: "welcome " });
  for (const protocols of [["meshsocket", bearer], [bearer, "meshsocket"]]) {
    const seen = await connect("/subprotocol", protocols);
    assert.deepEqual(seen, { opened: true, protocol: "meshsocket", message: "welcome meshsocket" });
  }
});

test("browser: a wrong token is refused, as 1006 by a Response and by name with a code", async () => {
  const wrong = ["meshsocket", "meshsocket.bearer.wrong"];
  assert.deepEqual(await connect("/subprotocol", wrong), { opened: false, protocol: "", code: 1006, reason: "" });
  for (const protocols of [wrong, wrong.slice(1), []]) {
    const seen = await connect("/subprotocol-with-code", protocols);
    assert.partialDeepStrictEqual(seen, { opened: true, code: 4401, reason: "sign in again" });
  }
});

test("browser: a first message authenticates, and a wrong one is closed with 4401", async () => {
  assert.deepEqual(await connect("/first", [], token), { opened: true, protocol: "", message: "welcome " });
  const refused = { opened: true, protocol: "", code: 4401, reason: "not authenticated" };
  assert.deepEqual(await connect("/first", [], "wrong"), refused);
});

test("browser: a cookie authenticates, and its lack is told by a code", async () => {
  assert.deepEqual(await connect("/cookie"), { opened: true, protocol: "", message: "welcome " });
  await page.context().clearCookies();
  const refused = { opened: true, protocol: "", code: 4401, reason: "no cookie" };
  assert.deepEqual(await connect("/cookie"), refused);
});

test("browser: each refusal arrives with its code and reason", async () => {
  for (const code of [1000, 1001, 1008, 1011, 1012, 1013, 3000, 4000, 4001, 4401, 4403, 4409, 4499, 4999]) {
    for (const protocols of [[], ["a", "meshsocket.bearer.x"]]) {
      const seen = await connect(`/refuse?code=${code}`, protocols);
      assert.partialDeepStrictEqual(seen, { opened: true, code, reason: "because" });
    }
  }
  assert.equal(hub.size, 0);
});
