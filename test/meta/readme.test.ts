import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";
import { CloseCode, shouldReconnect } from "../../src/base/close-code.ts";
import { DEFAULT_LIMITS } from "../../src/base/limits.ts";
import { limitsDoc } from "../../tools/limits-doc.ts";
import { metricsDoc } from "../../tools/metrics-doc.ts";
import { readFiles, readSource, type SourceFile } from "./source.ts";

const root = new URL("../../", import.meta.url);

function read(path: string): string {
  return readFileSync(new URL(path, root), "utf8");
}

/** The relative links of a page, each as a path from the root and an anchor. */
function linksOf({ path, text }: SourceFile): { link: string; target: string; anchor: string }[] {
  const links = [...text.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.map((link) => {
    const [file = "", anchor = ""] = link.split("#");
    return { link, target: file === "" ? path : posix.join(posix.dirname(path), file), anchor };
  });
}

/** The anchors of a page, as GitHub and npm derive them from its headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replace(/[^\p{L}\p{N}\s-]/gu, "").trim().replaceAll(" ", "-")
  );
}

/** The links of a page that lead to nothing. */
function deadLinks(page: SourceFile): string[] {
  return linksOf(page).filter(({ target, anchor }) => {
    if (!existsSync(new URL(target, root))) return true;
    return anchor !== "" && !anchorsOf(read(target)).includes(anchor);
  }).map(({ link }) => link);
}

/** A table without the padding that the formatter gives it. */
function unpadded(text: string): string {
  return text.replace(/ *\| */g, "|").replace(/\|[-|]+\|/g, "|-|").replace(/[ \t]+$/gm, "");
}

test("every link of the pages leads somewhere", () => {
  const pages = readFiles("*.md", "{docs,examples,bench,deploy,client,cli}/**/*.md")
    .filter(({ path }) => !path.includes("node_modules/"));
  for (const page of pages) assert.deepEqual(deadLinks(page), [], page.path);
});

test("a link that leads nowhere is found", () => {
  const text = "[a](src/hub/hub.ts) [b](src/nowhere.ts) [c](https://example.com) [d](docs/limits.md#nothing) [e](#no)";
  assert.deepEqual(deadLinks({ path: "README.md", text }), ["src/nowhere.ts", "docs/limits.md#nothing", "#no"]);
});

test("what README.md links to is in both packages", () => {
  const npm = (JSON.parse(read("package.json")) as { files: string[] }).files;
  const jsr = (JSON.parse(read("deno.json")) as { publish: { include: string[] } }).publish.include;
  for (const { target } of linksOf(readSource("README.md"))) {
    for (const files of [npm, jsr]) {
      assert.ok(files.some((file) => target === file || target.startsWith(`${file}/`)), target);
    }
  }
});

test("README.md is a first page: under 700 words", () => {
  assert.ok(read("README.md").split(/\s+/).length < 700);
});

test("every page of docs/ is in their index", () => {
  const index = read("docs/README.md");
  for (const { path } of readFiles("docs/*.md")) {
    assert.ok(path === "docs/README.md" || index.includes(`](${posix.basename(path)})`), path);
  }
});

test("the page of limits says what the code says, of every limit", () => {
  const page = read("docs/limits.md");
  const doc = limitsDoc(page, read("src/base/limits.ts"));
  assert.equal(unpadded(page), unpadded(doc));
  for (const name of Object.keys(DEFAULT_LIMITS)) assert.ok(doc.includes(`| \`${name}\` |`), name);
});

test("the page of observability names every metric, as the code has them", () => {
  const page = read("docs/observability.md");
  assert.equal(unpadded(page), unpadded(metricsDoc(page)));
  assert.match(page, /^\| `meshsocket_leases_lost_total` /m);
});

/** The fields of an exported interface, without those that it inherits. */
function fieldsOf(path: string, name: string): string[] {
  const [, body = ""] = new RegExp(`export interface ${name}\\b[^{]*\\{\\n([^]*?)\\n\\}`).exec(read(path)) ?? [];
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, field = ""]) => field);
}

test("the page of configuration names every option, every event and every close code", () => {
  const page = read("docs/configuration.md");
  const options = [
    ...fieldsOf("src/hub/hub-options.ts", "HubOptions"),
    ...fieldsOf("src/door/gate.ts", "GateOptions"),
    ...fieldsOf("src/distributed/dist-hub-options.ts", "DistHubOptions"),
    ...fieldsOf("src/hub/serve-options.ts", "ServeOptions"),
  ];
  assert.ok(options.includes("leaseMs") && options.includes("origins"));
  for (const option of options) assert.match(page, new RegExp(`^\\| \`${option}\` `, "m"), option);
  for (const event of fieldsOf("src/hub/hub-events.ts", "HubEvents")) assert.ok(page.includes(`\`${event}\``), event);
  for (const [name, code] of Object.entries(CloseCode)) {
    const answer = shouldReconnect(code) ? "yes" : "no";
    assert.match(page, new RegExp(`^\\| ${code} \\| \`${name}\`: .*\\| ${answer} +\\|$`, "m"), name);
  }
});
