/**
 * Takes docs/demo.png of a running demo, while one of its nodes is down: `npm run demo`, then `node tools/screenshot.ts URL`.
 * With a folder as a second argument it writes a picture of each width and scheme there instead.
 */
import { join } from "node:path";
import process from "node:process";
import type { Browser, Page } from "playwright-core";
import { startBrowser } from "../test/kit/browser.ts";
import { root } from "./run.ts";

const WORDS = ["hello from Node", "and from Bun", "Deno is here, too"];
const KILLED = "Bun";

const [, , url = "http://127.0.0.1:8080", folder] = process.argv;
const browser = await startBrowser();
try {
  if (folder === undefined) await take(browser, 1280, "light", join(root, "docs/demo.png"));
  else {
    for (const width of [1280, 390]) {
      for (const scheme of ["light", "dark"] as const) {
        await take(browser, width, scheme, join(folder, `demo-${width}-${scheme}.png`));
      }
    }
  }
} finally {
  await browser.close();
}

async function take(by: Browser, width: number, colorScheme: "light" | "dark", path: string): Promise<void> {
  const page = await by.newPage({ viewport: { width, height: width < 600 ? 844 : 640 }, colorScheme });
  await page.goto(url);
  await page.locator("iframe").nth(WORDS.length - 1).waitFor();
  const panes = page.frames().filter((frame) => frame !== page.mainFrame());
  for (const [index, pane] of panes.entries()) {
    await pane.locator("#send:enabled").waitFor();
    await pane.locator("#text").fill(WORDS[index] ?? "hello");
    await pane.locator("#send").click();
    await pane.locator("#outcome.good").waitFor();
  }
  for (const pane of panes) for (const word of WORDS) await pane.getByText(word).first().waitFor();
  await page.locator("#traffic").click();
  await page.locator("#sent", { hasText: /^([6-9]|\d\d)\d$/ }).waitFor();
  await power(page, "Kill");
  for (const pane of panes) await pane.locator('#state[data-state="connected"]').waitFor({ state: "attached" });
  await page.screenshot({ path });
  await power(page, "Start");
  await page.close();
}

async function power(page: Page, what: "Kill" | "Start"): Promise<void> {
  await page.getByRole("button", { name: `${what} the node on ${KILLED}` }).click();
  const other = what === "Kill" ? "Start" : "Kill";
  await page.getByRole("button", { name: `${other} the node on ${KILLED}` }).waitFor();
}
