import { errorCode, MeshError } from "../../base/error.ts";
import { randomId } from "../../base/random-id.ts";
import { noLease } from "../check-holder.ts";
import type { Claimed, Holder } from "../storage.ts";
import type { Fits, RedisCaller } from "./caller.ts";
import type { RedisKeys } from "./keys.ts";
import { parseClaimed, recallClaims } from "./value.ts";

/**
 * Claims ids, each call taking effect once.
 *
 * Each call leaves its numbers under a key of its own for a while. So a repeated call changes nothing, a claim whose answer was
 * lost can be read back, and a call that is read back before it ran never will.
 */
export class RedisClaims {
  readonly #caller: RedisCaller;
  readonly #keys: RedisKeys;
  readonly #timeoutMs: number;
  /** How long a claim's call is remembered: longer than any request may be held up. */
  readonly #rememberMs: string;
  readonly #instance: string = randomId().slice(0, 8);
  #calls = 0;
  /** The latest moment that the server's clock showed, and when that was by this clock. */
  #clock: { serverMs: number; localMs: number } | undefined;

  constructor(caller: RedisCaller, keys: RedisKeys, timeoutMs: number) {
    this.#caller = caller;
    this.#keys = keys;
    this.#timeoutMs = timeoutMs;
    this.#rememberMs = String(Math.max(10_000, 4 * timeoutMs));
  }

  /** Notes what the server's clock showed just now. */
  setClock(serverMs: string | undefined): void {
    this.#clock = { serverMs: Number(serverMs), localMs: performance.now() };
  }

  /** Claims ids that fit into one command. */
  async claim(ids: readonly string[], holder: Holder, ifAbsent: boolean): Promise<Claimed[]> {
    const call = this.#keys.call(this.#instance + (this.#calls++).toString(36));
    const keys = [this.#keys.leases, this.#keys.connections, this.#keys.meta, this.#keys.held(holder.life), call];
    const args = [holder.life, holder.host, ifAbsent ? "1" : "0", this.#rememberMs];
    const claim = (): Promise<string[]> =>
      this.#caller.run("set", keys, [...args, this.#latest(), ...ids], fitsClaim(ids));
    try {
      let answer = await claim();
      if (answer[0] === "late") {
        // It did not run, so it may be sent again: the server's clock was set forward.
        this.setClock(answer[1]);
        answer = await claim();
      }
      if (answer[0] === "no lease") throw noLease();
      if (answer[0] === "ok") return answer.slice(1).map(parseClaimed);
      throw new MeshError("unavailable", `the claim came to the storage at ${this.#caller.host} too late, or twice`);
    } catch (error) {
      if (errorCode(error) !== "unavailable") throw error;
      return await this.#recall(ids, { ...holder, ifAbsent }, call, error);
    }
  }

  /** Finds out what became of a claim whose answer was lost; rejects with `lost` if it did not take effect, and then it never will. */
  async #recall(
    ids: readonly string[],
    how: Holder & { ifAbsent: boolean },
    call: string,
    lost: unknown,
  ): Promise<Claimed[]> {
    const keys = [this.#keys.leases, this.#keys.connections, call];
    const fits: Fits = (answer) => answer.length === ids.length + 1 && /^(?:void|\d+)$/.test(answer[0] ?? "");
    const [base = "void", ...values] = await this.#caller.run("recall", keys, [this.#rememberMs, ...ids], fits)
      .catch(() => ["void"]);
    if (base === "void") throw lost;
    return recallClaims(ids, values, { ...how, base: BigInt(base) });
  }

  /** The moment on the server's clock from which no caller waits for this claim: a request held up for longer must not run. */
  #latest(): string {
    if (this.#clock === undefined) return "0";
    return String(Math.ceil(this.#clock.serverMs + performance.now() - this.#clock.localMs + this.#timeoutMs));
  }
}

function fitsClaim(ids: readonly string[]): Fits {
  return ([first, ...rest]) =>
    first === "ok" ? rest.length === ids.length : /^(?:late|again|no lease)$/.test(first ?? "");
}
