/**
 * The client package in Chromium, as a user's machine treats it: the network goes for 5 s and for 60 s, the machine sleeps,
 * the page is loaded again.
 *
 * DevTools' `offline` refuses new connections and tells the page, but leaves an open WebSocket alone: the network is cut
 * by DevTools, and by a proxy that drops what is open.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { Hub } from "../../src/hub/hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { clientBundle } from "../../tools/client-bundle.ts";
import { startBrowser } from "../kit/browser.ts";
import { loadServe } from "../kit/servers.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { until } from "../kit/until.ts";

const serve = await loadServe();
const script = clientBundle();

const PAGE = `<!doctype html><script type="module">
import { connect } from "/client.js";
window.log = [];
const url = location.href.replace("http", "ws");
const ws = window.ws = connect(url, { minDelayMs: 50, maxDelayMs: 500, pingMs: 2000, pongMs: 2000 });
for (const type of ["open", "away", "resumed", "close"]) ws.addEventListener(type, () => log.push(type));
ws.onlost = ({ why, pending }) => log.push("lost " + why + " " + pending.join());
ws.onmessage = ({ data }) => log.push(data);
window.count = 0;
setInterval(() => ws.send(String(++count)), 100);
</script>`;

/** A page whose client sends a number each 100 ms, and a server that sends one back for each. */
interface Scene {
  readonly hub: Hub;
  readonly page: Page;
  readonly proxy: TcpProxy;
  /** The numbers that the server got. */
  readonly heard: number[];
  /** What happened to the client, at the server. */
  readonly ends: string[];
}

async function scene(browser: Browser, run: (scene: Scene) => Promise<void>): Promise<void> {
  const heard: number[] = [];
  const ends: string[] = [];
  const hub = new Hub({ logger: silentLogger, origins: "any" });
  for (const type of ["away", "resumed", "lost"] as const) hub.on(type, () => ends.push(type));
  await using server = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    session: () => ({
      onConnect: () => void ends.push("connect"),
      onEvent(client, message) {
        heard.push(Number(message));
        void client.emit(`#${String(message)}`);
      },
    }),
    fetch: ({ url }) =>
      url.endsWith("/client.js")
        ? new Response(script, { headers: { "content-type": "text/javascript" } })
        : new Response(PAGE, { headers: { "content-type": "text/html" } }),
  });
  const proxy = await TcpProxy.open(server.port);
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`http://${proxy.host}/`);
    await waitFor(page, "open");
    await until("the first numbers", () => heard.length > 5);
    await run({ hub, page, proxy, heard, ends });
  } finally {
    await context.close();
    await proxy.close();
  }
}

const waitFor = async (page: Page, entry: string): Promise<void> =>
  void await page.waitForFunction(`log.some((line) => line.startsWith("${entry}"))`, undefined, { timeout: 30_000 });

/** The events of the client, without messages. */
const events = async (page: Page): Promise<string[]> =>
  (await page.evaluate<string[]>("log")).filter((line) => !line.startsWith("#"));

/** The numbers that came back to the page. */
const answers = async (page: Page): Promise<number[]> =>
  (await page.evaluate<string[]>("log")).flatMap((line) => (line.startsWith("#") ? [Number(line.slice(1))] : []));

/** All numbers from 1 on, once and in order. */
function whole(numbers: readonly number[]): void {
  assert.deepEqual(numbers, numbers.map((_, index) => index + 1));
}

/** Takes the network from the page for so long, as DevTools does and as a broken line does. */
async function offline({ page, proxy }: Scene, ms: number): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  const set = (isOffline: boolean): Promise<unknown> =>
    devtools.send("Network.emulateNetworkConditions", {
      offline: isOffline,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: -1,
    });
  await devtools.send("Network.enable");
  await set(true);
  proxy.refuse(true);
  proxy.cut();
  await new Promise((resolve) => setTimeout(resolve, ms));
  proxy.refuse(false);
  await set(false);
}

let browser: Browser;
before(async () => void (browser = await startBrowser()));
after(() => browser.close());

test("client in Chromium: offline for 5 s it resumes, and nothing is missing in either direction", () =>
  scene(browser, async (at) => {
    await offline(at, 5_000);
    await waitFor(at.page, "resumed");
    const sent = await at.page.evaluate<number>("count");
    await until("what was sent meanwhile", () => (at.heard.at(-1) ?? 0) >= sent);
    await until("all answers", async () => ((await answers(at.page)).at(-1) ?? 0) >= sent);
    whole(at.heard);
    whole(await answers(at.page));
    assert.deepEqual(await events(at.page), ["open", "away", "resumed"]);
    assert.deepEqual(at.ends, ["connect", "away", "resumed"]);
  }));

test("client in Chromium: offline for 60 s, beyond the window, it hears lost and goes on as a new client", {
  timeout: 120_000,
}, () =>
  scene(browser, async (at) => {
    await offline(at, 60_000);
    await waitFor(at.page, "lost unknown");
    const sent = await at.page.evaluate<number>("count");
    await until("what is sent from then on", () => (at.heard.at(-1) ?? 0) > sent);
    const [open, away, lost = "", again] = await events(at.page);
    assert.deepEqual([open, away, again], ["open", "away", "open"]);
    assert.deepEqual(at.ends, ["connect", "away", "lost", "connect"]);
    // Whatever did not arrive is in the event, so that the page can send it again; a message may be in both.
    const pending = lost.slice("lost unknown ".length).split(",").map(Number);
    const both = [...new Set([...at.heard, ...pending])].sort((one, other) => one - other);
    whole(both);
    assert.ok(pending.length > 500, `${pending.length} messages were waiting`);
    assert.equal(new Set(at.heard).size, at.heard.length, "none is doubled");
  }));

test("client in Chromium: a page that is loaded again is a new client", () =>
  scene(browser, async (at) => {
    await at.page.reload();
    await waitFor(at.page, "open");
    await until("the numbers of the new page", () => at.heard.filter((number) => number === 1).length === 2);
    assert.deepEqual(await events(at.page), ["open"]);
    assert.deepEqual(at.ends, ["connect", "connect"]);
  }));

test("client in Chromium: a machine that sleeps for 8 s resumes, and nothing is missing", async () => {
  const mark = `sleeper-${process.pid}-${Date.now()}`;
  const sleeper = await startBrowser([`--user-agent=${mark}`]);
  try {
    await scene(sleeper, async (at) => {
      const pids = processesWith(mark);
      assert.ok(pids.length > 1, "a browser has several processes");
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      try {
        await new Promise((resolve) => setTimeout(resolve, 4_000));
        // The access point forgot the machine meanwhile.
        at.proxy.cut();
        await new Promise((resolve) => setTimeout(resolve, 4_000));
      } finally {
        for (const pid of pids) process.kill(pid, "SIGCONT");
      }
      await waitFor(at.page, "resumed");
      const sent = await at.page.evaluate<number>("count");
      await until("what was sent", () => (at.heard.at(-1) ?? 0) >= sent);
      await until("all answers", async () => ((await answers(at.page)).at(-1) ?? 0) >= sent);
      whole(at.heard);
      whole(await answers(at.page));
      assert.deepEqual(await events(at.page), ["open", "away", "resumed"]);
    });
  } finally {
    await sleeper.close();
  }
});

/** The processes with this in their command line, and all that descend from them. */
function processesWith(mark: string): number[] {
  const parents = new Map<number, number>();
  const found = new Set<number>();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      const parent = /\) \w (\d+)/.exec(readFileSync(`/proc/${name}/stat`, "utf8"))?.[1];
      parents.set(Number(name), Number(parent));
      if (readFileSync(`/proc/${name}/cmdline`, "utf8").includes(mark)) found.add(Number(name));
    } catch {
      // It ended meanwhile.
    }
  }
  for (let known = -1; known !== found.size;) {
    known = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}
