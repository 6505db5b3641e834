import { type Browser, chromium } from "playwright-core";
import { findProgram } from "../../tools/programs.ts";

const ARGS: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Nothing but this machine has an address.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/** A headless Chromium with a profile of its own. */
export async function startBrowser(args: readonly string[] = []): Promise<Browser> {
  const executablePath = findProgram("chromium");
  if (executablePath === undefined) throw new Error("these tests need chromium on the PATH");
  return await chromium.launch({ executablePath, args: [...ARGS, ...args] });
}
