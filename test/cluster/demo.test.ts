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

/** The numbers that all panes together count. */
async function counted(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of ["sent", "received", "missing", "doubled"]) {
    counts[name] = Number((await page.locator(`#${name}`).textContent())?.replaceAll(",", ""));
  }
  return counts;
}

for (const runtime of RUNTIMES) {
  test(`demo: when the node on ${runtime} is killed and started again, nothing is missing or doubled`, async () => {
    const kill = page.getByRole("button", { name: `Kill the node on ${runtime}` });
    const start = page.getByRole("button", { name: `Start the node on ${runtime}` });
    await page.locator("#traffic").click();
    const at = await counted();
    await until("some traffic", async () => ((await counted())["received"] ?? 0) > (at["received"] ?? 0) + 20);
    await kill.click();
    await start.waitFor();
    const other = RUNTIMES.find((each) => each !== runtime) ?? "Node";
    // People of the dead node look dead at once, until they are on another.
    await pane(other).locator("#who .dead .runtime", { hasText: runtime }).waitFor();
    const moved = async (): Promise<boolean> => {
      const where = await page.locator("section", { has: page.locator(`h2:text("${runtime}")`) }).locator(".at")
        .textContent();
      return where?.includes(" on ") === true && !where.includes(runtime);
    };
    await until(`${VISITORS[runtime]} to be on another node`, moved);
    await write(pane(runtime), `I am ${VISITORS[runtime]}, from elsewhere`);
    for (const each of RUNTIMES) {
      await pane(each).locator("#log li.said", { hasText: "from elsewhere" }).first().waitFor();
    }
    await pane(runtime).locator("#outcome.good", { hasText: /^delivered 3 in [0-9.]+ ms$/ }).waitFor();
    await start.click();
    await kill.waitFor();
    await page.locator("#traffic").click();
    await until("every message to arrive", async () => {
      const { sent = 0, received = 0 } = await counted();
      await new Promise((resolve) => setTimeout(resolve, 300));
      const then = await counted();
      return then["sent"] === sent && then["received"] === received;
    });
    const { missing, doubled } = await counted();
    assert.deepEqual([missing, doubled], [0, 0]);
    // Back to where it began, for the next test.
    await page.reload();
    for (const each of RUNTIMES) await connected(pane(each));
    await untilEveryPaneShows(AT_FIRST);
  });
}

test("demo: a failed send keeps its text", async () => {
  const visitor = await openPage(`${demo.nodeUrls["Deno"]}/?name=gone`);
  await connected(visitor);
  await pane("Node").locator("#who button", { hasText: "gone" }).click();
  await visitor.close();
  await untilEveryPaneShows(AT_FIRST);
  await write(pane("Node"), "keep me");
  await pane("Node").locator("#log li.failed", { hasText: "gone" }).waitFor();
  assert.equal(await pane("Node").locator("#text").inputValue(), "keep me");
  await pane("Node").locator("#to").selectOption("");
});

/** The visible targets of a page, each with its height. */
const TARGETS = `[...document.querySelectorAll("button, input, select")].filter((each) => each.checkVisibility())
  .map((each) => [each.outerHTML, each.getBoundingClientRect().height])`;

test("demo: on a phone two panes are in view, and what is to be touched is 44 px high", async () => {
  const phone = await browser.newPage({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await phone.goto(demo.url);
  await phone.locator("iframe").nth(2).waitFor();
  const boxes = await Promise.all((await phone.locator("section").all()).map((each) => each.boundingBox()));
  const inView = boxes.filter((box) => box && box.y >= 0 && box.y + box.height <= 844);
  assert.equal(inView.length, 2);
  assert.equal(await phone.evaluate("document.documentElement.scrollWidth"), 390);
  for (const each of await phone.locator("iframe").all()) await connected(each.contentFrame());
  for (const frame of phone.frames()) {
    const targets = await frame.evaluate<[string, number][]>(TARGETS);
    assert.ok(targets.length > 0);
    for (const [html, height] of targets) assert.ok(height >= 44, `${html} is ${height} px high`);
  }
  await phone.close();
});
