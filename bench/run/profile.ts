/** Prints the functions of V8 CPU profiles by the time spent in them: `node run/profile.ts FILE…`. */
import { readFileSync } from "node:fs";
import process from "node:process";

interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
  }[];
  samples: number[];
  timeDeltas: number[];
}

const SHOWN = 35;

function selfTimes(
  { nodes, samples, timeDeltas }: CpuProfile,
): Map<string, number> {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const file = url.split("/").slice(-2).join("/");
      return [id, `${functionName || "(anonymous)"} ${file}:${lineNumber + 1}`];
    }),
  );
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? "?";
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return times;
}

for (const path of process.argv.slice(2)) {
  const times = selfTimes(JSON.parse(readFileSync(path, "utf8")) as CpuProfile);
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  console.log(path);
  for (
    const [name, time] of [...times].sort(([, left], [, right]) => right - left)
      .slice(0, SHOWN)
  ) {
    console.log(`${((time / total) * 100).toFixed(1).padStart(6)} %  ${name}`);
  }
}
