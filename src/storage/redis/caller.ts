import { errorCode, MeshError } from "../../base/error.ts";
import { throwIfAborted, unlessAborted } from "../abort.ts";
import { probeRedisClient, type RedisClient, runScript } from "./client.ts";
import type { RedisScriptName } from "./scripts.ts";

/** Runs scripts through a client, once the client has been found safe. */
export class RedisCaller {
  readonly #client: RedisClient;
  #ready: Promise<void> | undefined;
  #closed = false;

  /** A client that somebody else made is probed before its first command. */
  constructor(client: RedisClient, probe: boolean) {
    this.#client = client;
    this.#ready = probe ? undefined : Promise.resolve();
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
  }

  /** Runs one script, which must answer an array. Its fate is unknown when this rejects with `unavailable`. */
  async run(name: RedisScriptName, keys: string[], args: string[], signal?: AbortSignal): Promise<string[]> {
    if (this.#closed) throw new MeshError("failed_precondition", "this storage is closed");
    throwIfAborted(signal);
    await unlessAborted(this.#probed(), signal);
    const answer = await unlessAborted(runScript(this.#client, name, keys, args), signal);
    if (Array.isArray(answer)) return answer as string[];
    throw new MeshError("unavailable", "the storage answered something unexpected");
  }

  /** A client found unsafe stays so; a probe that failed for another reason is repeated by the next call. */
  async #probed(): Promise<void> {
    try {
      await (this.#ready ??= probeRedisClient(this.#client));
    } catch (error) {
      if (errorCode(error) !== "failed_precondition") this.#ready = undefined;
      throw error;
    }
  }
}
