/**
 * Reads random frames by our frame reader and by `ws`, and prints the inputs that they understand in different ways.
 *
 *   npm run fuzz -- --minutes 10 --seed 42
 *   npm run fuzz -- --minutes 10 --deflate      # compressed messages
 *
 * Exits with 1 if there are any. Add such a line to `test/security/frames.corpus`, with a comment, when the defect is mended.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { fuzzDeflated, fuzzFrames, toLine } from "../test/kit/frame-fuzz.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    deflate: { type: "boolean", default: false },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
  },
});
const forMs = Number(values.minutes) * 60_000;
const plain = await fuzzFrames(Number(values.seed), values.deflate ? 0 : forMs);
const compressed = await fuzzDeflated(Number(values.seed), values.deflate ? forMs : 0);
const differences = [...plain.differences, ...compressed.differences];
for (const { input, text } of differences) console.log(`${toLine(input)}\n${text}\n`);
console.log(`seed ${values.seed}: ${plain.inputs + compressed.inputs} inputs, ${differences.length} differences`);
process.exit(differences.length > 0 ? 1 : 0);
