import { MeshError } from "../error.ts";

/** The oldest Node that has all that this package uses, as `engines` in package.json says it. */
const OLDEST_NODE: readonly [major: number, minor: number] = [22, 12];

/** The part of the global `process` that tells Node from runtimes that only resemble it. */
export interface ProcessLike {
  readonly release?: { readonly name?: string };
  readonly versions?: { readonly node?: string; readonly bun?: string; readonly deno?: string };
}

/**
 * Throws a MeshError (`failed_precondition`) on a Node that is too old, which would fail later in the middle of a call.
 *
 * Bun, Deno and edge runtimes that show a `process` pass.
 */
export function checkNode(host: ProcessLike | undefined): void {
  const { node, bun, deno } = host?.versions ?? {};
  if (host?.release?.name !== "node" || node === undefined || bun !== undefined || deno !== undefined) return;
  const [major = 0, minor = 0] = node.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  const oldest = OLDEST_NODE.join(".");
  throw new MeshError("failed_precondition", `meshsocket needs Node ${oldest} or newer, and this is Node ${node}`);
}

const { process: host } = globalThis as { process?: ProcessLike };
checkNode(host);
