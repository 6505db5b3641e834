import { readdirSync, readFileSync } from "node:fs";

/** What a process holds of the machine. */
export interface Resources {
  readonly rssBytes: number;
  /** Files, sockets among them. */
  readonly files: number;
}

/** What a process of this machine holds now. */
export function resourcesOf(pid: number): Resources {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return { rssBytes: Number(kilobytes) * 1_024, files: readdirSync(`/proc/${pid}/fd`).length };
}

/** What may be held more than before: connections in reserve; garbage that waits, and room that a heap keeps. */
const ROOM_FILES = 12;
const ROOM_BYTES = 100_000_000;

/**
 * What a process did not give back at its end, without clients; undefined when it gave back all, within noise.
 * `start` was without clients too; `warm` is from after its first work, which fills heaps and caches once.
 */
export function notGivenBack(start: Resources, warm: Resources, end: Resources): string | undefined {
  if (end.files - start.files > ROOM_FILES) return `${end.files} files are open, ${start.files} at the start`;
  if (end.rssBytes - warm.rssBytes <= ROOM_BYTES) return undefined;
  return `${megabytes(end)} MB are in memory, ${megabytes(warm)} after the first round`;
}

function megabytes({ rssBytes }: Resources): number {
  return Math.round(rssBytes / 1_000_000);
}
