/** The examples that are pages, in Chromium, with a network that is cut. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { startBrowser } from "../kit/browser.ts";
import { killPrograms, startFile } from "../kit/program.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";

let browser: Browser;
before(async () => void (browser = await startBrowser()));
after(async () => {
  await browser.close();
  await killPrograms();
});

for (const [example, open] of [["page", "connected"], ["react", "open"]] as const) {
  test(`examples/${example}: a page sends, hears, and goes on after its network was cut`, async () => {
    const program = startFile("node", `examples/${example}/serve.ts`, { env: { PORT: "0" } });
    const [, port] = await program.match(/http:\/\/[^:]+:(\d+)/);
    const proxy = await TcpProxy.open(Number(port));
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    try {
      await page.goto(`http://${proxy.host}/`);
      const send = async (text: string): Promise<void> => {
        await page.getByLabel("Message").fill(text);
        await page.getByRole("button", { name: "Send" }).click();
      };
      await page.locator("#state", { hasText: new RegExp(`^${open}$`) }).waitFor();
      await send("first");
      await page.locator("li", { hasText: "first" }).waitFor();
      proxy.refuse(true);
      proxy.cut();
      await page.locator("#state", { hasText: example === "page" ? "connecting again" : "away" }).waitFor();
      await send("while away");
      proxy.refuse(false);
      await page.locator("li", { hasText: "while away" }).waitFor();
      await page.locator("#state", { hasText: new RegExp(`^${open}$`) }).waitFor();
      assert.deepEqual(await page.locator("li").allTextContents(), ["first", "while away"]);
      assert.deepEqual(problems, []);
    } finally {
      await page.close();
      await proxy.close();
      program.kill();
      await program.ended;
    }
  });
}
