/** The example of a chat with a model: pages in Chromium with AI SDK's own chat and transport, on one node and on two. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { type ExampleNode, ExampleScenes } from "../kit/example-nodes.ts";
import { startFile } from "../kit/program.ts";

const FILE = "examples/ai/serve.ts";
/** All that the fake model says. */
const WHOLE = Array.from({ length: 100 }, (_, index) => `${index + 1} `).join("");

const scenes = new ExampleScenes(2_000);
const alone = (): Promise<ExampleNode> => scenes.start("node", FILE);
const ofCluster = (): Promise<ExampleNode> => scenes.startOfCluster("node", FILE);

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
  scenes.run([alone()], async (open, node) => {
    const page = await open(node);
    await ask(page);
    await said(page, 5);
    await page.reload();
    await said(page, 100);
    await is(page, "ready");
    assert.deepEqual(await page.locator("li").allTextContents(), ["count", WHOLE]);
  }));

test("examples/ai: two tabs read one answer, and either stops it for both", () =>
  scenes.run([alone()], async (open, node) => {
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
  scenes.run([ofCluster(), ofCluster(), ofCluster()], async (open, one, two, three) => {
    const asking = await open(one);
    await ask(asking);
    // A page that opens before the question has arrived finds no answer to go on with.
    await said(asking, 1);
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
