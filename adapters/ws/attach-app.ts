import { refuse } from "../../src/door/admission.ts";
import { invalidArgument } from "../../src/base/error.ts";
import { checkServer } from "../shared/check-server.ts";
import { UPGRADE_SLOT, type UpgradeSlot } from "../shared/upgrade-slot.ts";
import { addUpgradeRoute, type UpgradeServer } from "./upgrade.ts";

const USAGE = "attachApp(app, server)";

/** An application with a fetch handler, such as a Hono app. */
export interface FetchApp {
  fetch(request: Request, env: object): Response | Promise<Response>;
}

/**
 * Hands WebSocket upgrades of a `node:http` server to an application, whose routes answer them: for Hono, with
 * `upgrade` of `meshsocket/hono`. Paths that a hub was attached to before are that hub's.
 *
 * Returns a function that detaches the application again. Throws a TypeError (`invalid_argument`) for an app without `fetch`.
 */
export function attachApp(app: FetchApp, server: UpgradeServer): () => void {
  if (typeof app?.fetch !== "function") {
    throw invalidArgument(`the app must have a fetch function, as a Hono app has: write ${USAGE}`);
  }
  checkServer(USAGE, server);
  return addUpgradeRoute(server, {
    accepts: (_, webSocket) => webSocket,
    async answer(request, context, incoming) {
      const slot: UpgradeSlot = { context };
      let response: Response;
      try {
        response = await app.fetch(request, { incoming, outgoing: undefined, [UPGRADE_SLOT]: slot });
      } catch {
        response = refuse(500, "internal error");
      }
      if (!slot.admitted) return response;
      // Middleware may have replaced the handler's answer by a refusal.
      if (response.ok) return slot.admitted;
      slot.admitted.admission.cancel();
      return response;
    },
  });
}
