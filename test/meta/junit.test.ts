import assert from "node:assert/strict";
import { test } from "node:test";
import { differences, parseJunit } from "../../tools/junit.ts";

test("a JUnit report of Node, of Bun and of Deno reads the same", () => {
  const expected = [
    { name: `quotes " and 'x' <b> &`, outcome: "passed" },
    { name: "breaks", outcome: "failed" },
    { name: "waits", outcome: "skipped" },
  ];
  const node = `<testsuites>
	<testcase name="quotes &amp;quot; and 'x' &lt;b> &amp;" time="0.1" classname="test" file="/a.test.ts"/>
	<testcase name="breaks" time="0.1" failure="1 !== 2&#10;"><failure message="a">[Error: &lt;testcase name="no"/>]</failure></testcase>
	<testcase name="waits" time="0.1"><skipped type="skipped" message="true"/></testcase>
</testsuites>`;
  const bun = `<testsuites name="bun test"><testsuite name="a.test.ts">
    <testcase name="quotes &quot; and &apos;x&apos; &lt;b&gt; &amp;" classname="" time="0" line="3" assertions="0" />
    <testcase name="breaks" classname="" line="4"><failure type="AssertionError" message="x">a</failure></testcase>
    <testcase name="waits" classname="" line="5"><skipped /></testcase>
  </testsuite></testsuites>`;
  const deno = `<testsuites name="deno test"><testsuite name="./a.test.ts" tests="3">
        <testcase name="quotes &quot; and &apos;x&apos; &lt;b&gt; &amp;" classname="./a.test.ts" line="3" col="1">
        </testcase>
        <testcase name="breaks" line="4" col="1"><failure message="Uncaught &lt;x&gt;">a
</failure></testcase>
        <testcase name="waits" line="5" col="1"><skipped/></testcase>
    </testsuite></testsuites>`;
  for (const report of [node, bun, deno]) assert.deepEqual(parseJunit(report), expected);
});

test("a test that one runtime did not run is named", () => {
  const one = [{ name: "a", outcome: "passed" }, { name: "b", outcome: "passed" }] as const;
  const agreeing = [{ runtime: "node", tests: one }, { runtime: "bun", tests: one.toReversed() }];
  assert.deepEqual(differences(agreeing), []);
  const lacking = [...agreeing, { runtime: "deno", tests: one.slice(0, 1) }];
  assert.deepEqual(differences(lacking), ['"b" is missing on deno']);
  const twice = [{ runtime: "node", tests: [...one, ...one] }, { runtime: "bun", tests: one }];
  assert.deepEqual(differences(twice), ['"a" is missing on bun', '"b" is missing on bun']);
});
