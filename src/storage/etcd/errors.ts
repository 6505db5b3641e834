import { MeshError } from "../../base/error.ts";
import type { StorageFinding } from "../storage.ts";

/** A failed request. The message names the host and what to change; it holds no id and no password. */
export class EtcdError extends MeshError {
  /** The message in its two parts. */
  readonly finding: StorageFinding;
  /** etcd's gRPC status; undefined when there was no answer of etcd. */
  readonly status: number | undefined;

  constructor(text: string, fix: string, cause: unknown, status?: number) {
    super("unavailable", `${text}: ${fix}`, { cause });
    this.finding = { text, fix };
    this.status = status;
  }

  /** Whether its time was over. */
  get timedOut(): boolean {
    return this.cause instanceof Error && this.cause.name === "TimeoutError";
  }

  /** Whether another endpoint may do better. */
  get passing(): boolean {
    return this.status === undefined || this.status === UNAVAILABLE;
  }
}

/** gRPC statuses that etcd answers with. */
export const NOT_FOUND = 5;
export const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const UNAVAILABLE = 14;
export const UNAUTHENTICATED = 16;

export function lateAnswer(host: string, timeoutMs: number, cause: unknown): EtcdError {
  const text = `the storage did not answer in time: ${host} took more than ${timeoutMs} ms`;
  return new EtcdError(text, "see whether its members reach each other, or raise timeoutMs", cause);
}

export function noConnection(host: string, cause: unknown): EtcdError {
  return new EtcdError(`the storage cannot be reached at ${host}`, "is etcd running there? Check the endpoint", cause);
}

/** The lines of an answer; throws what etcd said if it is an error. */
export function linesOf(text: string, ok: boolean, host: string): unknown[] {
  let lines: unknown[];
  try {
    lines = text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as unknown);
  } catch {
    const what = `no etcd answers at ${host}: it sent something that is not JSON`;
    throw new EtcdError(what, "give the client address of an etcd, such as http://127.0.0.1:2379", undefined);
  }
  const failed = lines.map(failureOf).find((failure) => failure !== undefined);
  if (failed) throw refusal(failed.status, failed.message, host);
  if (!ok || lines.length === 0 || lines.some((line) => typeof line !== "object" || line === null)) {
    throw new EtcdError(
      "the storage answered something unexpected",
      `is ${host} an etcd? Check the endpoint`,
      undefined,
    );
  }
  return lines;
}

/** The failure that a line reports: of the whole request, or of one message of a stream. */
function failureOf(line: unknown): { status: number; message: string } | undefined {
  const { code, message, error } = (line ?? {}) as Record<string, unknown>;
  if (typeof code === "number") return { status: code, message: String(message ?? error) };
  if (typeof error !== "object" || error === null) return undefined;
  // etcd 3.6 has another gateway, which calls it `code`.
  const { grpc_code: status, code: status36, message: said } = error as Record<string, unknown>;
  return { status: Number(status ?? status36 ?? 0), message: String(said) };
}

/** etcd's own errors are fixed texts; any other may quote the request and is not passed on. */
function refusal(status: number, message: string, host: string): EtcdError {
  const said = /^etcdserver: [\w ,.:()'-]+$/.test(message) ? message : `etcd answered with status ${status}`;
  const [, text, fix] = REFUSALS.find(([fits]) => fits(status, said)) ?? UNEXPLAINED;
  return new EtcdError(text.replaceAll("HOST", host), fix.replaceAll("HOST", host), new Error(said), status);
}

type Refusal = readonly [fits: (status: number, said: string) => boolean, text: string, fix: string];

const UNEXPLAINED: Refusal = [
  () => true,
  "the storage answered with an error",
  "see the cause, and the log of the etcd at HOST",
];

/** The errors of etcd that people meet, each with what to change. */
const REFUSALS: readonly Refusal[] = [
  [
    (status) => status === PERMISSION_DENIED,
    "the storage at HOST did not permit that to this user",
    "grant its role readwrite on the keys that begin with the prefix",
  ],
  [
    (_, said) => /database space exceeded|no space/.test(said),
    "the storage at HOST is full",
    "compact and defragment it, then disarm the alarm; start it with --auto-compaction-retention",
  ],
  [
    (_, said) => /corrupt/.test(said),
    "the storage at HOST refuses writes, because a member is corrupt",
    "see etcdctl alarm list, and replace that member",
  ],
  [
    (status, said) => status === UNAUTHENTICATED || /\b(auth\w*|user|password)\b/.test(said),
    "the storage refused the user or the password",
    "compare them with the users of the etcd at HOST",
  ],
  [
    (_, said) => /no leader|leader changed|timed out/.test(said),
    "the storage at HOST has no leader",
    "start a majority of its members",
  ],
];
