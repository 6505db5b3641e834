/** Tokens that expire, by the client package against a real server of this runtime. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, type MeshWebSocket } from "../../client/index.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session } from "../../src/client/session.ts";
import { Hub } from "../../src/hub/hub.ts";
import { loadServe } from "../kit/servers.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { Events } from "../kit/wait.ts";

const serve = await loadServe();
const LIFE_MS = 1_500;

/** A server whose tokens are good for a while, and what it and its client say. */
async function scene(
  onToken: Session["onToken"],
  token: (attempt: number) => string | Promise<string>,
  run: (log: Events<string>, ws: MeshWebSocket, hub: Hub, proxy: TcpProxy) => Promise<void>,
): Promise<void> {
  const log = new Events<string>("an entry of the log");
  const hub = new Hub({ logger: silentLogger });
  hub.on("lost", ({ reason }) => log.add(`server lost ${reason}`));
  const session = (): Session => ({
    id: "me",
    expiresAt: Date.now() + LIFE_MS,
    onToken: onToken && ((client, given) => {
      log.add(`onToken ${given}`);
      return onToken(client, given);
    }),
  });
  await using server = await serve(hub, { port: 0, hostname: "127.0.0.1", session });
  const proxy = await TcpProxy.open(server.port);
  let attempt = 0;
  const ws = connect(`ws://${proxy.host}/`, { token: () => token(++attempt), minDelayMs: 20 });
  for (const type of ["open", "away", "resumed"] as const) ws.addEventListener(type, () => log.add(type));
  ws.addEventListener("lost", ({ why }) => log.add(`lost ${why}`));
  ws.addEventListener("refused", ({ code }) => log.add(`refused ${code}`));
  ws.addEventListener("close", ({ code }) => log.add(`close ${code}`));
  try {
    await run(log, ws, hub, proxy);
  } finally {
    ws.close();
    await proxy.close();
  }
}

async function took(log: Events<string>, ...entries: string[]): Promise<void> {
  for (const entry of entries) assert.equal(await log.next(), entry);
}

test("client: sends a new token over the open connection before the session is over, again and again", () =>
  scene(
    () => Date.now() + LIFE_MS,
    (attempt) => `token-${attempt}`,
    async (log, ws, hub) => {
      await took(log, "open", "onToken token-2", "onToken token-3", "onToken token-4");
      assert.equal(await hub.emit("me", "hi"), true);
      assert.deepEqual([log.waiting, ws.readyState], [[], 1]);
    },
  ));

test("client: tries again after a token that could not be had or was refused, and is refused when time is over", () =>
  scene(
    (_, token) => (token === "token-3" ? Date.now() + LIFE_MS : undefined),
    (attempt) => attempt === 2 ? Promise.reject(new Error("offline")) : `token-${attempt}`,
    async (log) => {
      await took(log, "open", "onToken token-3", "onToken token-4", "onToken token-5");
      let entry = await log.next();
      while (entry.startsWith("onToken")) entry = await log.next();
      assert.deepEqual([entry, await log.next()], ["refused 4401", "close 4401"]);
    },
  ));

test("client: an end of the session while it is away is told as lost, and a fresh token begins a new client", () =>
  scene(undefined, (attempt) => `token-${attempt}`, async (log, _, __, proxy) => {
    await took(log, "open");
    proxy.refuse(true);
    proxy.cut();
    await took(log, "away", "server lost expired");
    proxy.refuse(false);
    await took(log, "lost unknown", "open");
  }));
