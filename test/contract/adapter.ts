import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { SessionFactory } from "../../src/client/session.ts";
import { runtime } from "../kit/runtime.ts";
import type { Way } from "../kit/servers.ts";
import { admission } from "./adapter-admission.ts";
import { closing, leaving } from "./adapter-closing.ts";
import { decisions } from "./adapter-decisions.ts";
import { controls, heartbeat } from "./adapter-heartbeat.ts";
import { limits, waiting } from "./adapter-limits.ts";
import { messages } from "./adapter-messages.ts";
import { refusals } from "./adapter-refusals.ts";
import { upgrades } from "./adapter-upgrades.ts";

/** A hub that is being served on `/ws`. */
export interface Served {
  readonly hub: Hub;
  readonly port: number;
  /** The WebSocket URL of its upgrades. */
  readonly url: string;
}

/** Adds a test of a promise: a hub is served with the session while `run` runs. */
export type PromiseThat = (
  name: string,
  session: SessionFactory,
  run: (served: Served) => Promise<void>,
  options?: HubOptions,
) => void;

/** What every way of serving a hub promises. */
export function adapterContract(way: Way): void {
  const promise: PromiseThat = (name, session, run, options) => {
    test(`${way.name}: ${name}`, async () => {
      const hub = new Hub({ logger: silentLogger, ...options });
      const server = await way.start(hub, session);
      try {
        await run({ hub, port: server.port, url: `ws://127.0.0.1:${server.port}/ws` });
      } finally {
        await hub.close();
        await server.stop();
      }
    });
  };
  admission(promise);
  decisions(promise);
  refusals(promise);
  upgrades(promise);
  messages(promise);
  closing(promise);
  limits(promise);
  heartbeat(promise);
  // The other engines of upgrade handlers are those of `serve`, or, as Deno's own, show no pings.
  if (way.name !== "serve") return;
  controls(promise);
  leaving(promise);
  waiting(promise, runtime !== "bun");
}
