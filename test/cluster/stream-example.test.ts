/** The example of streams: pages in Chromium on nodes of three runtimes, and what becomes of them when nodes are killed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { type ExampleNode, ExampleScenes } from "../kit/example-nodes.ts";
import type { Runtime } from "../kit/runtime.ts";

const LEASE_MS = 3_000;
/** All that the model says. */
const WHOLE = Array.from({ length: 100 }, (_, index) => `${index + 1} `).join("");

const scenes = new ExampleScenes(LEASE_MS);
const startNode = (runtime: Runtime): Promise<ExampleNode> =>
  scenes.startOfCluster(runtime, `examples/stream/${runtime}.ts`);
/** A node on each runtime. */
const three = () => [startNode("node"), startNode("bun"), startNode("deno")] as const;

const press = (page: Page, name: string): Promise<void> => page.getByRole("button", { name }).click();
const textOf = (page: Page): Promise<string> => page.locator("#text").textContent().then((text) => text ?? "");
const said = (page: Page, word: number): Promise<void> =>
  page.locator("#text", { hasText: new RegExp(`\\b${word} `) }).waitFor();
const ended = (page: Page, state: string): Promise<void> =>
  page.locator("#state", { hasText: new RegExp(`^${state}$`) }).waitFor();

test("three pages on three nodes read a stream whole: one joins late, one reloads, one presses stop", () =>
  scenes.run(three(), async (open, node, bun, deno) => {
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
  scenes.run(three(), async (open, node, bun, deno) => {
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
  scenes.run(three(), async (open, node, bun, deno) => {
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
