import { readFileSync } from "node:fs";
import process from "node:process";

/** The processor time of this process so far, in milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Linux counts processor time in steps of this many milliseconds. */
const TICK_MS = 10;

/** The same of other processes, with all their threads; 0 if the system does not tell. */
export function processesMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + processMs(pid), 0);
}

function processMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in brackets, may hold anything; user and system time are fields 14 and 15, the state is field 3.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return 0;
  }
}
