import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What the callers do. */
export interface LoadPlan {
  readonly host: string;
  readonly token: string;
  /** Calls by each library. */
  readonly calls: number;
  readonly oversizedBytes: number;
  /** Calls at a time on one connection. */
  readonly maxStreams: number;
}

/** How it went. */
export interface LoadReport {
  calls: number;
  /** Each call that did not end as it should. */
  wrong: string[];
}

/** Good and bad calls by grpc-js and by connect-node, in a process of its own on Node. */
export async function rpcLoad(plan: LoadPlan): Promise<LoadReport> {
  return await new Promise((resolve, reject) => {
    const child = execFile(
      join(ROOT, "node_modules", ".bin", "node"),
      [join(ROOT, "test", "kit", "rpc-load-child.ts")],
      { timeout: 170_000 + 60 * plan.calls, maxBuffer: 10_000_000 },
      (error, out, err) => {
        if (error) return reject(new Error(`the callers failed: ${err}`, { cause: error }));
        const report = JSON.parse(out) as LoadReport;
        if (report.wrong.length > 0) report.wrong.push(err.slice(0, 2_000));
        resolve(report);
      },
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(JSON.stringify(plan));
  });
}
