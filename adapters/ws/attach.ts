import { isAdmission } from "../../src/door/admission.ts";
import type { Hub } from "../../src/hub/hub.ts";
import {
  checkHub,
  checkUpgradeOptions,
  isOnPath,
  UPGRADE_OPTIONS,
  type UpgradeOptions,
} from "../shared/upgrade-options.ts";
import { checkServer } from "../shared/check-server.ts";
import { addUpgradeRoute, type UpgradeRoute, type UpgradeServer } from "./upgrade.ts";

/**
 * Lets a hub take WebSocket upgrades of a `node:http` or `node:https` server that the application brought.
 *
 * Upgrades on other paths are left to whoever else listens for them, and answered with 404 if nobody does.
 * A server is closed once its last connection is, so close the hub first: with Fastify in its `preClose` hook, because
 * `onClose` waits for the clients.
 *
 * Returns a function that detaches the hub again; its clients stay. Throws a TypeError (`invalid_argument`) for bad options.
 */
export function attach<Data>(hub: Hub<Data>, server: UpgradeServer, options: UpgradeOptions<Data>): () => void {
  checkHub(USAGE, hub);
  checkServer(USAGE, server);
  checkUpgradeOptions<UpgradeOptions>(USAGE, options, UPGRADE_OPTIONS);
  return addUpgradeRoute(server, admitRoute(hub, options));
}

const USAGE = "attach(hub, server, { path, session })";

/** The route on which a hub decides. */
export function admitRoute<Data>(hub: Hub<Data>, options: UpgradeOptions<Data>): UpgradeRoute {
  return {
    accepts: (request, webSocket) => webSocket && isOnPath(request, options.path),
    async answer(request, context) {
      const answer = await hub.admit(request, options.session, context);
      return isAdmission(answer) ? { admission: answer, hub } : answer;
    },
  };
}
