import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** One call, or `times` calls alike, 64 at a time. */
export interface GrpcCall {
  /** Such as `websocket.Websocket/Emit`. */
  readonly method: string;
  /** Bytes as base64. */
  readonly request?: object;
  /** The requests of a bidirectional stream, each sent when the last was answered. */
  readonly stream?: readonly object[];
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly times?: number;
  readonly timeoutMs?: number;
}

/** How a call ended; 0 is the code of success. Of several the first that failed, else the last. */
export interface GrpcResult {
  readonly code: number;
  readonly details?: string;
  /** Bytes as base64, 64-bit numbers as strings, fields as in the .proto; a list for a stream. */
  readonly response?: unknown;
}

/** What one client does, one call after the other, before it says GOAWAY. */
export interface GrpcPlan {
  readonly host: string;
  /** The authority to trust, in PEM; without it cleartext. */
  readonly ca?: string;
  /** The path of the only .proto file that the client knows; without it those of this repository. */
  readonly proto?: string;
  readonly calls: readonly GrpcCall[];
}

/** The gRPC status codes that tests name. */
export const GrpcCode = {
  Ok: 0,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Unimplemented: 12,
  Internal: 13,
  Unauthenticated: 16,
} as const;

/**
 * Calls through \@grpc/grpc-js and the .proto files alone, in a process of its own on Node: the HTTP/2 client of Deno
 * is not sound, and a back-end is another process anyway.
 */
export async function grpc(plan: GrpcPlan): Promise<GrpcResult[]> {
  const program = join(ROOT, "node_modules", ".bin", "node");
  return await new Promise((resolve, reject) => {
    const child = execFile(
      program,
      [join(ROOT, "test", "kit", "grpc-child.ts")],
      { timeout: 50_000 },
      (error, out, err) => {
        if (error) reject(new Error(`the gRPC client failed: ${err}`, { cause: error }));
        else resolve(JSON.parse(out) as GrpcResult[]);
      },
    );
    // A child that failed at once reads nothing: its own error says more.
    child.stdin?.on("error", () => {});
    child.stdin?.end(JSON.stringify(plan));
  });
}
