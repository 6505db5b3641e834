import process from "node:process";
import { type LanguageModel, simulateReadableStream } from "ai";
import { MockLanguageModelV4 } from "ai/test";

/**
 * The model that answers: with AI_MODEL, such as `openai/gpt-5.2`, one of AI Gateway, whose key is in AI_GATEWAY_API_KEY; without it a fake
 * one that needs no key and counts. Any other provider of AI SDK goes here as well.
 */
export function modelFrom(): LanguageModel {
  const { AI_MODEL, AI_GATEWAY_API_KEY } = process.env;
  if (!AI_MODEL) return new MockLanguageModelV4({ doStream: () => Promise.resolve({ stream: counting() }) });
  if (AI_GATEWAY_API_KEY) return AI_MODEL;
  throw new Error(
    `could not use AI_MODEL=${AI_MODEL}: AI_GATEWAY_API_KEY is not set. ` +
      "Set it to a key of AI Gateway, or leave out AI_MODEL for a fake model",
  );
}

/** The answer of the fake model, with everything that a provider sends. */
function counting(): ReturnType<typeof simulateReadableStream<Part>> {
  const words = Array.from(
    { length: WORDS },
    (_, index): Part => ({ type: "text-delta", id: "1", delta: `${index + 1} ` }),
  );
  const tokens = { total: WORDS, noCache: undefined, cacheRead: undefined, cacheWrite: undefined };
  return simulateReadableStream<Part>({
    chunkDelayInMs: 60,
    chunks: [
      { type: "text-start", id: "1" },
      ...words,
      { type: "text-end", id: "1" },
      {
        type: "finish",
        finishReason: { unified: "stop", raw: undefined },
        usage: { inputTokens: tokens, outputTokens: { total: WORDS, text: WORDS, reasoning: undefined } },
      },
    ],
  });
}

const WORDS = 100;

type Result = Awaited<ReturnType<MockLanguageModelV4["doStream"]>>;
type Part = Result["stream"] extends ReadableStream<infer One> ? One : never;
