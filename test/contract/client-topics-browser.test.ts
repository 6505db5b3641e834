/** Subscriptions in Chromium, with the package from a bundler and as it is, and a page that is hidden while its connection breaks. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { silentLogger } from "../../src/base/log/logger.ts";
import { Hub } from "../../src/hub/hub.ts";
import { startBrowser } from "../kit/browser.ts";
import { loadServe } from "../kit/servers.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { Events } from "../kit/wait.ts";

const serve = await loadServe();
const root = join(import.meta.dirname, "..", "..");
const bun = (...args: string[]): string =>
  execFileSync(join(root, "node_modules", ".bin", "bun"), args, { encoding: "utf8" });

const page = (entry: string): string =>
  `<!doctype html><script type="module">
import { connect } from "${entry}";
window.log = [];
const ws = window.ws = connect(location.href.replace("http", "ws"), { minDelayMs: 60_000, maxDelayMs: 60_000 });
for (const type of ["open", "away", "resumed", "lost"]) ws.addEventListener(type, () => log.push(type));
ws.onmessage = ({ data }) => log.push("plain " + data);
window.listen = async () => {
  const room = await ws.subscribe("room:1");
  log.push("subscribed");
  for await (const { data } of room) log.push(typeof data === "string" ? data : "bytes " + data);
};
</script>`;

/** The files of the package as a bundler makes them: an entry, and what it loads later. */
function bundled(): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-topics-"));
  try {
    bun("build", join(root, "client", "index.ts"), "--minify", "--splitting", "--outdir", folder);
    return new Map(readdirSync(folder).map((name) => [`/bundle/${name}`, readFileSync(join(folder, name), "utf8")]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The files of the package as they are, without their types. */
function unbundled(): Map<string, string> {
  const files = new Map<string, string>();
  const paths = ["client/index.ts"];
  for (const path of paths) {
    const code = bun("build", "--no-bundle", join(root, path));
    files.set(`/${path}`, code);
    for (const [, relative = ""] of code.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const next = join(path, "..", relative);
      if (!paths.includes(next)) paths.push(next);
    }
  }
  return files;
}

test("client in Chromium: topics are loaded when they are used, from a bundler's files and from the package's own", async () => {
  const files = new Map([...bundled(), ...unbundled()]);
  assert.ok(files.has("/client/topics.ts") && files.has("/bundle/index.js"));
  const asked = new Events<string>("a file that a page asked for");
  const hub = new Hub({ logger: silentLogger, origins: "any" });
  await using server = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    session: () => ({ id: "page", onSubscribe: () => true, onPublish: () => true }),
    fetch({ url }) {
      const { pathname } = new URL(url);
      const script = files.get(pathname);
      if (script === undefined) {
        return new Response(page(pathname === "/b" ? "/bundle/index.js" : "/client/index.ts"), {
          headers: { "content-type": "text/html" },
        });
      }
      if (pathname.includes("topics")) asked.add(pathname);
      return new Response(script, { headers: { "content-type": "text/javascript" } });
    },
  });
  const proxy = await TcpProxy.open(server.port);
  const browser = await startBrowser();
  try {
    for (const path of ["/b", "/u"]) {
      const tab = await browser.newPage();
      const until = async (entry: string): Promise<void> => void await tab.waitForFunction(`log.includes("${entry}")`);
      await tab.goto(`http://${proxy.host}${path}`);
      await until("open");
      assert.deepEqual(asked.waiting, []);
      await tab.evaluate("void listen()");
      await until("subscribed");
      assert.match(await asked.next(), path === "/b" ? /^\/bundle\/topics-/ : /^\/client\/topics.ts$/);
      while (asked.waiting.length > 0) await asked.next();
      const delivery = await tab.evaluate<object>(`ws.publish("room:1", "~hello")`);
      assert.deepEqual(delivery, { delivered: 1, held: 0, dropped: 0, unreachable: [] });
      await until("~hello");
      await hub.publish("room:1", new Uint8Array([1, 2]));
      await until("bytes 1,2");
      await comesBack(tab, proxy, hub);
      assert.deepEqual(await tab.evaluate(`log.filter((entry) => entry.startsWith("plain"))`), []);
      await tab.close();
    }
  } finally {
    await browser.close();
    await proxy.close();
  }
});

/** A page that is shown again looks at once whether its connection lives: one that was cut, and one that is silent. */
async function comesBack(tab: Page, proxy: TcpProxy, hub: Hub): Promise<void> {
  const shown = `log.length = 0, void document.dispatchEvent(new Event("visibilitychange"))`;
  proxy.refuse(true);
  proxy.cut();
  await tab.waitForFunction(`log.includes("away")`);
  proxy.refuse(false);
  await tab.evaluate(shown);
  await tab.waitForFunction(`log.includes("resumed")`);
  await tab.evaluate(shown);
  await hub.publish("room:1", "lives");
  await tab.waitForFunction(`log.includes("lives")`);
  proxy.pause();
  await tab.evaluate(shown);
  await tab.waitForFunction(`log.includes("away")`);
  proxy.resume();
  await tab.evaluate(shown);
  await tab.waitForFunction(`log.includes("resumed")`);
}
