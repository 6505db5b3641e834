import assert from "node:assert/strict";
import { test } from "node:test";
import { checkNode } from "../../src/base/check/check-node.ts";
import { readSource } from "../meta/source.ts";

const node = (version: string) => ({ release: { name: "node" }, versions: { node: version } });

test("a Node that is too old is refused at import, in one line", () => {
  for (const version of ["20.20.2", "22.0.0", "22.11.0", "18.19.1"]) {
    assert.throws(() => checkNode(node(version)), {
      code: "failed_precondition",
      message: `meshsocket needs Node 22.12 or newer, and this is Node ${version}`,
    });
  }
});

test("every other runtime passes", () => {
  for (const version of ["22.12.0", "22.23.1", "24.0.0"]) checkNode(node(version));
  checkNode(undefined);
  checkNode({});
  checkNode({ release: { name: "node" }, versions: { node: "18.0.0", bun: "1.4.5" } });
  checkNode({ release: { name: "node" }, versions: { node: "20.0.0", deno: "2.9.6" } });
  checkNode({ release: { name: "workerd" }, versions: { node: "20.0.0" } });
});

/** The entries of the package that run on a server; a page has no Node to check. */
const ENTRIES = [
  "src/index.ts",
  "src/adapter.ts",
  "src/storage/redis/redis.ts",
  "src/storage/etcd/etcd.ts",
  "src/testing/testing.ts",
  "src/metrics/prometheus.ts",
  "adapters/node.ts",
  "adapters/hono.ts",
];

test("engines and the check name the same version, and the CLI and each entry of a server check first", () => {
  assert.match(readSource("package.json").text, /"node": ">=22\.12"/);
  for (const entry of ENTRIES) {
    const [first] = readSource(entry).text.match(/^(?:import|export)\b.*$/m) ?? [];
    assert.match(first ?? "", /^import ".*\/check-node\.ts";$/, entry);
  }
  assert.match(readSource("cli/main.ts").text, /async function main.*\n.*\n {2}await import\(".*\/check-node\.ts"\);/);
});
