import assert from "node:assert/strict";
import { test } from "node:test";
import { docFindings } from "../../tools/check-package.ts";

test("what the documentation linter finds is passed on, without what nobody can act on", () => {
  const finding = (rule: string, message: string, place: string): string =>
    `error[${rule}]: ${message}\n  --> ${place}\n   | \n41 | export class Hub {\n\n`;
  const output = [
    finding("private-type-ref", "public type 'Hub' references private type 'Sender'", "/x/src/hub.ts:41:1"),
    finding("private-type-ref", "public type 'upgrade' references private type 'Handler'", "/x/src/hub.ts:42:1"),
    finding("missing-jsdoc", "exported symbol is missing JSDoc documentation", "/x/src/hub.ts:50:1"),
    finding("missing-jsdoc", "exported symbol is missing JSDoc documentation", "/x/src/hub.ts:51:3"),
    finding("missing-jsdoc", "exported symbol is missing JSDoc documentation", "/x/src/gen/a_pb.ts:1:1"),
  ].join("");
  const text = 'import { Sender } from "./sender.ts";\nimport type { Env, Handler } from "hono";';
  assert.deepEqual(docFindings(output, () => text), [
    "/x/src/hub.ts:41: public type 'Hub' references private type 'Sender' (private-type-ref)",
    "/x/src/hub.ts:50: exported symbol is missing JSDoc documentation (missing-jsdoc)",
  ]);
});
