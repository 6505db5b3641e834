import { errorCode, MeshError } from "../../base/error.ts";
import type { StorageFinding } from "../storage.ts";
import type { RedisCaller } from "./caller.ts";
import { RedisReplyError } from "./errors.ts";
import type { RedisKeys } from "./keys.ts";

/** Everything that keeps a Redis from holding a cluster. Rejects only if the caller gave up, or the storage is closed. */
export async function findFaults(
  caller: RedisCaller,
  keys: RedisKeys,
  signal: AbortSignal | undefined,
): Promise<StorageFinding[]> {
  let answer: string[];
  try {
    answer = await caller.run("check", [keys.check], [], (found) => found.length === 3, signal);
  } catch (error) {
    if (errorCode(error) === "canceled") throw error;
    return [findingOf(error)];
  }
  const [policy = "", info = "", refusal = ""] = answer;
  const findings: StorageFinding[] = [];
  if (policy !== "") findings.push(eviction(caller.host, policy));
  if (refusal !== "") findings.push(new RedisReplyError(caller.host, refusal).finding);
  else if (/^role:slave/m.test(info)) {
    findings.push(new RedisReplyError(caller.host, "READONLY").finding);
  }
  return findings;
}

/** The error of a renewal at a server that drops keys when its memory is full. */
export function evicts(host: string, policy: string): MeshError {
  const { text, fix } = eviction(host, policy);
  return new MeshError("failed_precondition", `${text}: ${fix}`);
}

function eviction(host: string, policy: string): StorageFinding {
  return {
    text: `the storage at ${host} drops keys when its memory is full (maxmemory-policy ${policy})`,
    fix: "set maxmemory-policy noeviction, or clients that are connected would become unreachable without a word",
  };
}

function findingOf(error: unknown): StorageFinding {
  if (error instanceof RedisReplyError) return error.finding;
  const text = error instanceof Error ? error.message : String(error);
  return { text, fix: "start that server, or correct the address that the RedisStorage was given" };
}
