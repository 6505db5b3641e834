import { Buffer } from "node:buffer";
import { type FrameInput, randomDeflatedInput, randomInput } from "./frame-input.ts";
import { difference, ours, theirs, theirsInflated } from "./frame-oracle.ts";
import { Random } from "./random.ts";

/** Inputs of one turn, after which the errors of `ws` are known. */
const PER_TURN = 200;

/** An input that two readers understand in different ways. */
export interface Difference {
  readonly input: FrameInput;
  readonly text: string;
}

/** The findings of a run over random inputs. */
export interface FuzzResult {
  readonly inputs: number;
  readonly differences: readonly Difference[];
}

/** Reads random inputs by our reader and by `ws` until `forMs` are over, or some differences are found. */
export async function fuzzFrames(seed: number, forMs: number): Promise<FuzzResult> {
  const random = new Random(seed);
  const differences: Difference[] = [];
  let inputs = 0;
  for (const end = performance.now() + forMs; performance.now() < end && differences.length < 10;) {
    const turn = Array.from({ length: PER_TURN }, () => randomInput(random));
    differences.push(...await compareAll(turn));
    inputs += turn.length;
  }
  return { inputs, differences };
}

/** {@link fuzzFrames} for messages that are compressed. */
export async function fuzzDeflated(seed: number, forMs: number): Promise<FuzzResult> {
  const random = new Random(seed);
  const differences: Difference[] = [];
  let inputs = 0;
  for (const end = performance.now() + forMs; performance.now() < end && differences.length < 10; inputs++) {
    const input = randomDeflatedInput(random);
    const text = (await compareInflated(input)) && (await compareInflated(withOneMore(input)));
    if (text !== undefined) differences.push({ input, text });
  }
  return { inputs, differences };
}

/** How the readings of an input with compressed messages differ; undefined if they agree. */
export async function compareInflated(input: FrameInput): Promise<string | undefined> {
  return difference(ours(input, true), await theirsInflated(input));
}

/** The differences among some inputs. */
export async function compareAll(inputs: readonly FrameInput[]): Promise<Difference[]> {
  // A fault that the first byte of a frame shows is found here at once, there with its second byte.
  return await compareOnce((await compareOnce(inputs)).map(({ input }) => withOneMore(input)));
}

function withOneMore({ bytes, cuts }: FrameInput): FrameInput {
  return { bytes: Buffer.concat([bytes, Buffer.alloc(1)]), cuts };
}

async function compareOnce(inputs: readonly FrameInput[]): Promise<Difference[]> {
  if (inputs.length === 0) return [];
  const readings = inputs.map((input) => ({ input, our: ours(input), their: theirs(input) }));
  await new Promise<void>((resolve) => setImmediate(resolve));
  return readings.flatMap(({ input, our, their }) => {
    const text = difference(our, their);
    return text === undefined ? [] : [{ input, text }];
  });
}

/** An input as a line of the corpus: its bytes, and its cuts. */
export function toLine({ bytes, cuts }: FrameInput): string {
  return `${bytes.toString("hex")} ${cuts.join(",")}`.trim();
}

/** The inputs of a corpus; text after a `#` is a comment. */
export function fromLines(text: string): FrameInput[] {
  const lines = text.split("\n").map((line) => line.replace(/#.*/, "").trim()).filter((line) => line !== "");
  return lines.map((line) => {
    const [bytes = "", cuts = ""] = line.split(" ");
    return { bytes: Buffer.from(bytes, "hex"), cuts: cuts === "" ? [] : cuts.split(",").map(Number) };
  });
}
