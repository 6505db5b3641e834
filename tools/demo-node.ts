/** One node of the demo: tells its parent in one line of JSON where it is, and ends with it. */
import process from "node:process";
import type { Server } from "../src/hub/serve-options.ts";
import { startChatNode } from "./chat-node.ts";
import { configFrom } from "./start-config.ts";
import { stopOnSignal } from "./stop.ts";
import { thisRuntime } from "./this-runtime.ts";

/** A node of the demo, as it describes itself. */
export interface DemoNode {
  readonly runtime: string;
  readonly version: string;
  readonly pid: number;
  /** Of its page. */
  readonly url: string;
  /** Its address in the cluster. */
  readonly host: string;
}

let server: Server | undefined;
stopOnSignal({ stop: async () => await server?.close(), withInput: true });
try {
  ({ server } = await startChatNode({ ...configFrom(process.env), origins: "any" }));
  const { name: runtime, version } = thisRuntime;
  const node: DemoNode = { runtime, version, pid: process.pid, url: server.url, host: server.rpc?.host ?? "" };
  console.log(JSON.stringify(node));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
