import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { root } from "../../../tools/run.ts";
import { startBrowser } from "../browser.ts";
import { serveFetch } from "../serve-fetch.ts";
import { FarScene } from "./far-scene.ts";

/** A page in Chromium that has tests of the client, and the scenes that these ask for. */
export class TestPage {
  /** The names of its tests. */
  readonly names: readonly string[];
  readonly #page: Page;
  readonly #close: () => Promise<void>;

  private constructor(page: Page, names: readonly string[], close: () => Promise<void>) {
    this.#page = page;
    this.names = names;
    this.#close = close;
  }

  /** `files` are those of tests, in test/contract. */
  static async open(files: readonly string[]): Promise<TestPage> {
    const scripts = bundle(files);
    const server = await serveFetch((request) => Promise.resolve(answer(scripts, new URL(request.url).pathname)));
    const browser = await startBrowser();
    const page = await pageOf(browser, server.url);
    const names = await page.evaluate<string[]>("testNames()");
    return new TestPage(page, names, async () => {
      await browser.close();
      await server.stop();
    });
  }

  /** Runs one of the tests in the page; rejects as it does. */
  async run(name: string): Promise<void> {
    await this.#page.evaluate((test) => (globalThis as unknown as PageTests).runTest(test), name);
  }

  async close(): Promise<void> {
    await this.#close();
  }
}

interface PageTests {
  runTest(name: string): Promise<void>;
}

async function pageOf(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  const scene = new FarScene((call) =>
    page.evaluate((text) => (globalThis as unknown as FarPage).fromHost(text), call)
  );
  await page.exposeFunction("toHost", (call: string) => scene.answer(call));
  await page.goto(url);
  await page.waitForFunction("globalThis.ready === true");
  return page;
}

interface FarPage {
  fromHost(call: string): Promise<string>;
}

/** The scripts by their paths: one for each file, and those that they share. */
function bundle(files: readonly string[]): ReadonlyMap<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-page-"));
  try {
    const entries = files.map((file) => join(root, "test", "contract", file));
    const script = join(root, "test", "kit", "chromium", "bundle.ts");
    execFileSync(join(root, "node_modules", ".bin", "bun"), [script, folder, ...entries], { stdio: "pipe" });
    return new Map(readdirSync(folder).map((name) => [`/${name}`, readFileSync(join(folder, name), "utf8")]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function answer(scripts: ReadonlyMap<string, string>, path: string): Response {
  const script = scripts.get(path);
  if (script !== undefined) return new Response(script, { headers: { "content-type": "text/javascript" } });
  const imports = [...scripts.keys()].filter((name) => name.endsWith(".test.js")).map((name) => `import ".${name}";`);
  // The assertions' messages ask for it.
  const globals = "globalThis.process = { env: {}, stderr: {} };";
  const html = `<!doctype html><script>${globals}</script><script type="module">${
    imports.join("")
  }globalThis.ready = true;</script>`;
  return new Response(html, { headers: { "content-type": "text/html" } });
}
