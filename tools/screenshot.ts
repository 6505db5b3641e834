/** Takes docs/demo.png of a running demo: `npm run demo`, then `node tools/screenshot.ts URL`. */
import { join } from "node:path";
import process from "node:process";
import { startBrowser } from "../test/kit/browser.ts";
import { root } from "./run.ts";

const WORDS = ["hello from Node", "and from Bun", "Deno is here, too"];

const browser = await startBrowser();
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 640 } });
  await page.goto(process.argv[2] ?? "http://127.0.0.1:8080");
  await page.locator("iframe").nth(WORDS.length - 1).waitFor();
  const panes = page.frames().filter((frame) => frame !== page.mainFrame());
  for (const [index, pane] of panes.entries()) {
    await pane.locator("#send:enabled").waitFor();
    await pane.locator("#text").fill(WORDS[index] ?? "hello");
    await pane.locator("#send").click();
  }
  for (const pane of panes) for (const word of WORDS) await pane.getByText(word).first().waitFor();
  await page.screenshot({ path: join(root, "docs/demo.png") });
} finally {
  await browser.close();
}
