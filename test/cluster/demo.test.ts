import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, FrameLocator, Page } from "playwright-core";
import { startBrowser } from "../kit/browser.ts";
import { type Demo, startDemo } from "../kit/demo.ts";
import { until } from "../kit/until.ts";

const RUNTIMES = ["Node", "Bun", "Deno"] as const;
const VISITORS = { Node: "alice", Bun: "bob", Deno: "carol" } as const;

let demo: Demo;
let browser: Browser;
let page: Page;

before(async () => {
  [demo, browser] = await Promise.all([startDemo({ redis: true }), startBrowser()]);
  page = await openPage(demo.url);
  for (const runtime of RUNTIMES) await connected(pane(runtime));
});

after(async () => {
  await browser.close();
  await demo.stop();
});

async function openPage(url: string): Promise<Page> {
  const opened = await browser.newPage({ viewport: { width: 1300, height: 800 } });
  opened.setDefaultTimeout(10_000);
  await opened.goto(url);
  return opened;
}

function pane(runtime: string): FrameLocator {
  return page.frameLocator(`iframe[title^="Chat on ${runtime} "]`);
}

type Chat = FrameLocator | Page;

async function connected(chat: Chat): Promise<void> {
  await chat.locator('#state[data-state="connected"]').waitFor();
}

async function write(chat: Chat, text: string): Promise<void> {
  await chat.locator("#text").fill(text);
  await chat.locator("#send").click();
}

async function lines(chat: Chat): Promise<string[]> {
  return await chat.locator("#log li").allTextContents();
}

/** The people that a pane shows, by the runtime of their node. */
async function whoIsWhere(chat: Chat): Promise<Record<string, string[]>> {
  const who: Record<string, string[]> = {};
  for (const node of await chat.locator("#who > li").all()) {
    const people = await node.locator("button").allTextContents();
    who[await node.locator(".runtime").textContent() ?? ""] = people.map((text) => text.replace(" (you)", ""));
  }
  return who;
}

/** Waits until every pane shows these people. */
async function untilEveryPaneShows(expected: Record<string, string[]>): Promise<void> {
  for (const runtime of RUNTIMES) {
    let last: unknown;
    const shows = async (): Promise<boolean> => {
      last = await whoIsWhere(pane(runtime)).catch(() => undefined);
      return RUNTIMES.every((node) => {
        const people = (last as Record<string, string[]> | undefined)?.[node];
        return people !== undefined && people.join() === expected[node]?.join();
      });
    };
    await until(`the pane on ${runtime} to show ${JSON.stringify(expected)}`, shows).catch((error: unknown) => {
      throw new Error(`it shows ${JSON.stringify(last)}`, { cause: error });
    });
  }
}

const AT_FIRST = { Node: ["alice"], Bun: ["bob"], Deno: ["carol"] };

test("demo: it names three runtimes and its storage", async () => {
  const { output } = demo.program;
  assert.match(output, /^storage +redis-server \d+\.\d+\.\d+ on port/m);
  assert.match(output, /^Node 24\.\d+\.\d+ /m);
  assert.match(output, /^Bun 1\.\d+\.\d+ /m);
  assert.match(output, /^Deno 2\.\d+\.\d+ /m);
  const titles = await page.locator("section h2").allTextContents();
  assert.deepEqual(titles.map((title) => title.split(" ")[0]), [...RUNTIMES]);
});

for (const from of RUNTIMES) {
  test(`demo: what is written on ${from} arrives in every pane`, async () => {
    const text = `<b>hello</b> from ${from} & friends`;
    await write(pane(from), text);
    for (const runtime of RUNTIMES) {
      await pane(runtime).locator("#log li.said", { hasText: text }).waitFor();
      assert.ok((await lines(pane(runtime))).includes(`${VISITORS[from]}${text}`));
    }
  });

  test(`demo: what is written on ${from} to one id arrives there alone`, async () => {
    const to = from === "Deno" ? "Node" : "Deno";
    const text = `secret from ${from}`;
    await pane(from).locator("#who button", { hasText: VISITORS[to] }).click();
    await write(pane(from), text);
    await pane(to).locator("#log li.direct", { hasText: text }).waitFor();
    await pane(from).locator("#log li.sent", { hasText: `to ${VISITORS[to]}` }).waitFor();
    await pane(from).locator("#to").selectOption("");
    // What follows on the same line to each pane arrives after what would have been there.
    await write(pane(from), `after the ${text}`);
    for (const runtime of RUNTIMES) {
      await pane(runtime).locator("#log li.said", { hasText: `after the ${text}` }).waitFor();
      const seen = (await lines(pane(runtime))).filter((line) => line.endsWith(text) && !line.includes("after"));
      const expected = runtime === to ? [VISITORS[from]] : runtime === from ? [`to ${VISITORS[to]}`] : [];
      assert.deepEqual(seen, expected.map((who) => who + text));
    }
  });
}

test("demo: who is on which node is right in every pane, also after somebody came and left", async () => {
  await untilEveryPaneShows(AT_FIRST);
  const visitor = await openPage(`${demo.nodeUrls["Bun"]}/?name=dave`);
  await connected(visitor);
  await untilEveryPaneShows({ ...AT_FIRST, Bun: ["bob", "dave"] });
  await visitor.close();
  await untilEveryPaneShows(AT_FIRST);
});

test("demo: writing to somebody who left says so", async () => {
  const visitor = await openPage(`${demo.nodeUrls["Bun"]}/?name=erin`);
  await connected(visitor);
  await pane("Node").locator("#who button", { hasText: "erin" }).click();
  await visitor.close();
  await untilEveryPaneShows(AT_FIRST);
  await write(pane("Node"), "are you there?");
  await pane("Node").locator("#log li.failed", { hasText: "erin" }).waitFor();
  await pane("Node").locator("#to").selectOption("");
});

test("demo: a name that is taken over elsewhere is not fought for, and can be taken back", async () => {
  const visitor = await openPage(`${demo.nodeUrls["Deno"]}/?name=alice`);
  await connected(visitor);
  await pane("Node").locator("#notice", { hasText: "taken over by a newer connection (4409)" }).waitFor();
  await pane("Node").locator('#state[data-state="closed"]').waitFor();
  await until("alice to be on Deno alone", async () => {
    const { Node, Deno } = await whoIsWhere(pane("Bun"));
    return Node?.length === 0 && Deno?.join() === "alice,carol";
  });
  await pane("Node").locator("#again").click();
  await connected(pane("Node"));
  await visitor.locator("#notice", { hasText: "4409" }).waitFor();
  await visitor.close();
  await untilEveryPaneShows(AT_FIRST);
});

test("demo: the pages load nothing from elsewhere and report no error", async () => {
  const problems: string[] = [];
  const requested: string[] = [];
  const opened = await browser.newPage();
  opened.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  opened.on("pageerror", (error) => problems.push(error.message));
  opened.on("request", (request) => requested.push(new URL(request.url()).hostname));
  await opened.goto(`${demo.nodeUrls["Node"]}/?name=frank`);
  await connected(opened);
  await opened.close();
  assert.deepEqual(problems, []);
  assert.deepEqual([...new Set(requested)].filter((host) => host !== "127.0.0.1" && host !== ""), []);
  await untilEveryPaneShows(AT_FIRST);
});
