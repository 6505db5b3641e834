import assert from "node:assert/strict";
import { test } from "node:test";
import { checkNode } from "../../adapters/shared/check-node.ts";
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

test("engines and the check name the same version, and the entries of Node and the CLI check first", () => {
  assert.match(readSource("package.json").text, /"node": ">=22\.12"/);
  const [first] = readSource("adapters/node.ts").text.match(/^(?:import|export)\b.*$/m) ?? [];
  assert.match(first ?? "", /check-node\.ts/);
  assert.match(readSource("cli/main.ts").text, /async function main.*\n.*\n {2}await import\(".*\/check-node\.ts"\);/);
});
