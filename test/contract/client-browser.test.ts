/** The client package in Chromium, with the network cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { clientBundle } from "../../tools/client-bundle.ts";
import { startBrowser } from "../kit/browser.ts";
import { loadServe } from "../kit/servers.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { Events } from "../kit/wait.ts";

const serve = await loadServe();

const PAGE = `<!doctype html><script type="module">
import { connect } from "/client.js";
window.log = [];
const ws = window.ws = connect(location.href.replace("http", "ws"), { minDelayMs: 50 });
ws.binaryType = "arraybuffer";
for (const type of ["open", "away", "resumed", "lost", "close"]) ws.addEventListener(type, () => log.push(type));
ws.onmessage = ({ data }) => log.push(typeof data === "string" ? data : String(new Uint8Array(data)));
ws.onrequest = (message) => message + "!";
</script>`;

test("client in Chromium: a cut network loses nothing, and a page that is loaded again is a new client", async () => {
  const script = clientBundle();
  const heard = new Events<string>("a message for the server");
  const hub = new Hub({ logger: silentLogger, origins: "any" });
  await using server = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    session: () => ({
      id: "page",
      onConnect: () => heard.add("onConnect"),
      onEvent: (_, message) => heard.add(String(message)),
    }),
    fetch: ({ url }) =>
      url.endsWith("/client.js")
        ? new Response(script, { headers: { "content-type": "text/javascript" } })
        : new Response(PAGE, { headers: { "content-type": "text/html" } }),
  });
  const proxy = await TcpProxy.open(server.port);
  const browser = await startBrowser();
  try {
    const page = await browser.newPage();
    const logged = async (): Promise<string[]> => await page.evaluate<string[]>("log");
    const until = async (entry: string): Promise<void> => void await page.waitForFunction(`log.includes("${entry}")`);
    await page.goto(`http://${proxy.host}/`);
    await until("open");
    assert.equal(await heard.next(), "onConnect");
    await page.evaluate(`ws.send("1")`);
    assert.equal(await heard.next(), "1");
    assert.equal(await hub.request("page", "there?"), "there?!");
    proxy.refuse(true);
    proxy.cut();
    await until("away");
    await page.evaluate(`ws.send("2"), ws.send(new Blob(["3"])), ws.send("4"), ws.readyState`);
    assert.equal(await hub.emit("page", "~a"), true);
    assert.equal(await hub.emit("page", new Uint8Array([126])), true);
    proxy.refuse(false);
    await until("126");
    assert.deepEqual(await logged(), ["open", "away", "resumed", "~a", "126"]);
    assert.deepEqual([await heard.next(), await heard.next(), await heard.next()], ["2", "51", "4"]);
    await page.reload();
    await until("open");
    assert.equal(await heard.next(), "onConnect");
    assert.deepEqual(await logged(), ["open"]);
  } finally {
    await browser.close();
    await proxy.close();
  }
});
