/** The example of streams: pages in Chromium on nodes of three runtimes, and what becomes of them when nodes are killed. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { startBrowser } from "../kit/browser.ts";
import { killPrograms, type Program, startFile } from "../kit/program.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";

const RUNTIMES = ["node", "bun", "deno"] as const;
const LEASE_MS = 3_000;
/** All that the model says. */
const WHOLE = Array.from({ length: 100 }, (_, index) => `${index + 1} `).join("");

/** A node, and the address at which its pages reach it, or after its death another. */
interface Node {
  readonly program: Program;
  readonly port: number;
  readonly front: TcpProxy;
}
type Nodes = Record<typeof RUNTIMES[number], Node>;

let browser: Browser;
let redis: TestRedis;
before(async () => void ([browser, redis] = await Promise.all([startBrowser(), startRedis()])));
after(async () => {
  await browser.close();
  await killPrograms();
  await redis.stop();
});

async function startNode(runtime: typeof RUNTIMES[number]): Promise<Node> {
  const env = {
    PORT: "0",
    MESHSOCKET_STORAGE_URL: redis.url,
    MESHSOCKET_STORAGE_TOKEN: redis.token,
    MESHSOCKET_SECRET: "a secret of these tests, over 32 bytes long",
    MESHSOCKET_LEASE_MS: String(LEASE_MS),
  };
  const program = startFile(runtime, `examples/stream/${runtime}.ts`, { env });
  const [, port] = await program.match(/listening on http:\/\/[^:]+:(\d+)/);
  return { program, port: Number(port), front: await TcpProxy.open(Number(port)) };
}

/** Runs a test on three nodes. */
async function scene(run: (nodes: Nodes, open: (node: Node) => Promise<Page>) => Promise<void>): Promise<void> {
  const [node, bun, deno] = await Promise.all(RUNTIMES.map(startNode)) as [Node, Node, Node];
  const context = await browser.newContext();
  context.setDefaultTimeout(20_000);
  const open = async ({ front }: Node): Promise<Page> => {
    const page = await context.newPage();
    await page.goto(`http://${front.host}/#42`);
    return page;
  };
  try {
    await run({ node, bun, deno }, open);
  } finally {
    await context.close();
    await killPrograms();
    for (const { front } of [node, bun, deno]) await front.close();
    await redis.flush();
  }
}

const press = (page: Page, name: string): Promise<void> => page.getByRole("button", { name }).click();
const textOf = (page: Page): Promise<string> => page.locator("#text").textContent().then((text) => text ?? "");
const said = (page: Page, word: number): Promise<void> =>
  page.locator("#text", { hasText: new RegExp(`\\b${word} `) }).waitFor();
const ended = (page: Page, state: string): Promise<void> =>
  page.locator("#state", { hasText: new RegExp(`^${state}$`) }).waitFor();

test("three pages on three nodes read a stream whole: one joins late, one reloads, one presses stop", () =>
  scene(async ({ node, bun, deno }, open) => {
    const [first, reloaded] = await Promise.all([open(node), open(bun)]);
    await press(first, "Ask");
    await Promise.all([said(first, 3), said(reloaded, 3)]);
    const late = await open(deno);
    await reloaded.reload();
    await Promise.all([said(late, 12), said(reloaded, 12)]);
    await press(late, "Stop");
    const pages = [first, reloaded, late];
    await Promise.all(pages.map((page) => ended(page, "over")));
    const texts = await Promise.all(pages.map(textOf));
    assert.deepEqual(texts, [texts[0], texts[0], texts[0]]);
    assert.ok(WHOLE.startsWith(texts[0] ?? "") && texts[0] !== WHOLE, texts[0]);
  }));

test("the node of a reader is killed: its page goes on elsewhere, and misses nothing", () =>
  scene(async ({ node, bun, deno }, open) => {
    const [asking, orphan] = await Promise.all([open(node), open(bun)]);
    await press(asking, "Ask");
    await said(orphan, 5);
    bun.program.kill("SIGKILL");
    await bun.program.ended;
    bun.front.target(deno.port);
    await Promise.all([ended(asking, "over"), ended(orphan, "over")]);
    assert.deepEqual(await Promise.all([textOf(asking), textOf(orphan)]), [WHOLE, WHOLE]);
  }));

test("the node of the producer is killed: the readers elsewhere hear so when its lease is over, and its own page too", () =>
  scene(async ({ node, bun, deno }, open) => {
    const [own, other] = await Promise.all([open(node), open(bun)]);
    await press(own, "Ask");
    await Promise.all([said(own, 5), said(other, 5)]);
    node.program.kill("SIGKILL");
    const killedAtMs = performance.now();
    await node.program.ended;
    node.front.target(deno.port);
    await ended(other, "broken: unavailable");
    const afterMs = performance.now() - killedAtMs;
    // A lease and a second, and some time for a busy machine.
    assert.ok(afterMs < LEASE_MS + 3_000, `after ${afterMs} ms`);
    await ended(own, "broken: unavailable");
    for (const text of await Promise.all([textOf(own), textOf(other)])) assert.ok(WHOLE.startsWith(text), text);
  }));
