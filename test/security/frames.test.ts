import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { compareAll, fromLines, fuzzDeflated, fuzzFrames, toLine } from "../kit/frame-fuzz.ts";
import { difference } from "../kit/frame-oracle.ts";
import { runSeed } from "../kit/random.ts";

/** How long the random inputs may take; `npm run fuzz` takes longer. */
const FOR_MS = Number(process.env["MESHSOCKET_FUZZ_MS"] ?? 10_000);

test("the inputs of the corpus mean to our reader what they mean to ws", async () => {
  const corpus = fromLines(readFileSync(new URL("frames.corpus", import.meta.url), "utf8"));
  assert.ok(corpus.length > 20);
  assert.deepEqual(await compareAll(corpus), []);
});

test("random frames, changed and cut anywhere, mean to our reader what they mean to ws", async () => {
  const { inputs, differences } = await fuzzFrames(runSeed, FOR_MS);
  assert.ok(inputs > 0);
  const [first] = differences;
  assert.equal(first, undefined, first && `MESHSOCKET_SEED=${runSeed}: ${toLine(first.input)}\n${first.text}`);
});

test("random compressed messages, changed and cut anywhere, mean to our reader what they mean to ws", async () => {
  const { inputs, differences } = await fuzzDeflated(runSeed, FOR_MS / 2);
  assert.ok(inputs > 0);
  const [first] = differences;
  assert.equal(first, undefined, first && `MESHSOCKET_SEED=${runSeed}: ${toLine(first.input)}\n${first.text}`);
});

test("a difference between the readers is found, and one that is meant is not", () => {
  assert.equal(difference(["text a", "close 1000 "], ["text a", "close 1000 "]), undefined);
  assert.ok(difference(["text a"], ["text b"]));
  assert.ok(difference(["text a"], ["text a", "pong"]));
  assert.ok(difference(["fault 1002"], ["fault 1009"]));
  assert.equal(difference(["pong", "fault 1007"], ["pong", "ping 61", "fault 1002"]), undefined);
  assert.ok(difference(["fault 1007"], ["text a"]));
  assert.ok(difference(["pong"], ["pong", "fault 1007"]));
});
