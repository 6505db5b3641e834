import { errorCode, MeshError } from "../../src/base/error.ts";

const NEXT_STEP: Readonly<Record<string, string>> = {
  EADDRINUSE: "it is in use: stop what listens there, or choose another port (0 takes any free one)",
  EACCES: "this user may not: choose a port of 1024 or more, or grant the right",
  EADDRNOTAVAIL: "the hostname is not an address of this machine: use 0.0.0.0 for all of them",
  ENOTFOUND: "the hostname does not resolve: use 0.0.0.0 for all addresses of this machine",
};

/** Why a port could not be opened, and what to do about it: a MeshError `unavailable`; an error of ours stays itself. */
export function listenError(error: unknown, hostname: string, port: number): Error {
  if (errorCode(error) !== undefined) return error as Error;
  const code = (error as { code?: unknown } | null)?.code;
  const nextStep = (typeof code === "string" && NEXT_STEP[code]) || "the cause tells why";
  return new MeshError("unavailable", `cannot listen on ${hostname} port ${port}: ${nextStep}`, { cause: error });
}
