/** The example of a chat with a model: pages in Chromium with AI SDK's own chat and transport, on one node and on two. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { startBrowser } from "../kit/browser.ts";
import { killPrograms, type Program, startFile } from "../kit/program.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";

const FILE = "examples/ai/serve.ts";
const LEASE_MS = 2_000;
/** All that the fake model says. */
const WHOLE = Array.from({ length: 100 }, (_, index) => `${index + 1} `).join("");

let browser: Browser;
let redis: TestRedis;
before(async () => void ([browser, redis] = await Promise.all([startBrowser(), startRedis()])));
after(async () => {
  await browser.close();
  await killPrograms();
  await redis.stop();
});

interface Node {
  readonly program: Program;
  readonly port: number;
  /** The address at which pages reach the node, or after its death another. */
  readonly front: TcpProxy;
}

async function startNode(env: Record<string, string> = {}): Promise<Node> {
  const program = startFile("node", FILE, { env: { PORT: "0", ...env } });
  const [, port] = await program.match(/listening on http:\/\/[^:]+:(\d+)/);
  return { program, port: Number(port), front: await TcpProxy.open(Number(port)) };
}

type Open = (node: Node) => Promise<Page>;

/** Runs a test on nodes: one alone, or several of a cluster. */
async function scene<Nodes extends readonly Node[]>(
  nodes: { [index in keyof Nodes]: Promise<Node> },
  run: (open: Open, ...nodes: Nodes) => Promise<void>,
): Promise<void> {
  const started = await Promise.all(nodes) as unknown as Nodes;
  const context = await browser.newContext();
  context.setDefaultTimeout(20_000);
  const open: Open = async ({ front }) => {
    const page = await context.newPage();
    await page.goto(`http://${front.host}/#42`);
    return page;
  };
  try {
    await run(open, ...started);
  } finally {
    await context.close();
    await killPrograms();
    for (const { front } of started) await front.close();
    await redis.flush();
  }
}

function ofCluster(): Promise<Node> {
  return startNode({
    MESHSOCKET_STORAGE_URL: redis.url,
    MESHSOCKET_STORAGE_TOKEN: redis.token,
    MESHSOCKET_SECRET: "a secret of these tests, over 32 bytes long",
    MESHSOCKET_LEASE_MS: String(LEASE_MS),
  });
}

async function ask(page: Page): Promise<void> {
  await page.getByLabel("Message").fill("count");
  await page.getByRole("button", { name: "Send" }).click();
}

const stop = (page: Page): Promise<void> => page.getByRole("button", { name: "Stop" }).click();
const said = (page: Page, word: number): Promise<void> =>
  page.locator("li.assistant", { hasText: new RegExp(`\\b${word} `) }).waitFor();
const is = (page: Page, state: string): Promise<void> =>
  page.locator("#state", { hasText: new RegExp(`^${state}$`) }).waitFor();
/** The chat goes on: a second answer begins. */
const answersAgain = (page: Page): Promise<void> => page.locator("li.assistant").nth(1).waitFor();
const answers = (page: Page): Promise<string[]> => page.locator("li.assistant").allTextContents();

test("examples/ai: a page gets its answer, also when it is reloaded in the middle", () =>
  scene([startNode()], async (open, node: Node) => {
    const page = await open(node);
    await ask(page);
    await said(page, 5);
    await page.reload();
    await said(page, 100);
    await is(page, "ready");
    assert.deepEqual(await page.locator("li").allTextContents(), ["count", WHOLE]);
  }));

test("examples/ai: two tabs read one answer, and either stops it for both", () =>
  scene([startNode()], async (open, node: Node) => {
    const first = await open(node);
    await ask(first);
    await said(first, 3);
    const second = await open(node);
    await said(second, 6);
    await stop(second);
    await Promise.all([is(first, "ready"), is(second, "ready")]);
    const [text = ""] = await answers(first);
    assert.ok(WHOLE.startsWith(text) && text !== WHOLE, text);
    await ask(first);
    await answersAgain(first);
  }));

test("examples/ai: the node of a reader is killed, and its page goes on elsewhere; then that of the model", () =>
  scene([ofCluster(), ofCluster(), ofCluster()], async (open, one: Node, two: Node, three: Node) => {
    const asking = await open(one);
    await ask(asking);
    const orphan = await open(two);
    await said(orphan, 5);
    two.program.kill("SIGKILL");
    two.front.target(three.port);
    await said(orphan, 30);
    const [text = ""] = await answers(orphan);
    assert.ok(WHOLE.startsWith(text), text);
    one.program.kill("SIGKILL");
    one.front.target(three.port);
    await Promise.all([is(orphan, "error"), is(asking, "error")]);
    await ask(orphan);
    await answersAgain(orphan);
  }));

test("examples/ai: a model without its key says which variable is missing", async () => {
  const program = startFile("node", FILE, { env: { AI_MODEL: "openai/gpt-5.2", AI_GATEWAY_API_KEY: "" } });
  await program.match(/AI_GATEWAY_API_KEY is not set/);
  assert.equal(await program.ended, 1);
});
