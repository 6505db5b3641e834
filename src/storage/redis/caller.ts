import { MeshError } from "../../base/error.ts";
import { throwIfAborted, unlessCanceled } from "../abort.ts";
import { notOurs, RedisReplyError } from "./errors.ts";
import { REDIS_SCRIPTS, type RedisScriptName } from "./scripts.ts";
import type { RedisWay } from "./way.ts";

/** Whether an answer has the shape that a script gives it; anything else came from another program. */
export type Fits = (answer: readonly string[]) => boolean;

/** Runs scripts over one way, by their digests. */
export class RedisCaller {
  readonly #way: RedisWay;
  #closed = false;

  constructor(way: RedisWay) {
    this.#way = way;
  }

  /** Where the Redis is, for error texts. */
  get host(): string {
    return this.#way.host;
  }

  close(): void {
    this.#closed = true;
    this.#way.close();
  }

  /** Runs one script of the storage as {@link runText} does. */
  run(name: RedisScriptName, keys: string[], args: string[], fits: Fits, signal?: AbortSignal): Promise<string[]> {
    return this.runText(REDIS_SCRIPTS[name], keys, args, fits, signal);
  }

  /** Runs one script, which must answer an array of texts that fits. Its fate is unknown when this rejects with `unavailable`. */
  async runText(text: string, keys: string[], args: string[], fits: Fits, signal?: AbortSignal): Promise<string[]> {
    if (this.#closed) throw new MeshError("failed_precondition", "this storage is closed: make another one");
    throwIfAborted(signal);
    const answer = await unlessCanceled(this.#runByDigest(text, keys, args), signal);
    const texts = textsOf(answer);
    if (texts === undefined || !fits(texts)) throw notOurs(this.#way.host, "an answer that our script does not give");
    return texts;
  }

  /** One command, and a second one with the text if the server does not know the script yet. */
  async #runByDigest(text: string, keys: string[], args: string[]): Promise<unknown> {
    const sha = await digestOf(text);
    try {
      return await this.#way.evalsha(sha, keys, args);
    } catch (error) {
      if (!(error instanceof RedisReplyError && error.word === "NOSCRIPT")) throw error;
    }
    return await this.#way.eval(text, keys, args);
  }
}

/** Texts and numbers of an array as texts; undefined for anything else. */
function textsOf(answer: unknown): string[] | undefined {
  if (!Array.isArray(answer)) return undefined;
  const texts: string[] = [];
  for (const one of answer as unknown[]) {
    if (typeof one !== "string" && typeof one !== "number") return undefined;
    texts.push(String(one));
  }
  return texts;
}

/** By text: there are as many as there are scripts. */
const digests = new Map<string, Promise<string>>();

function digestOf(text: string): Promise<string> {
  let digest = digests.get(text);
  if (digest === undefined) digests.set(text, digest = sha1(text));
  return digest;
}

async function sha1(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
