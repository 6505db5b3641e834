import { type Admission, isAdmission, refuse, type UpgradeContext } from "../../src/door/admission.ts";
import { MeshError } from "../../src/base/error.ts";
import { extraHeaders } from "../shared/extra-headers.ts";
import { plainAddress } from "../shared/upgrade-options.ts";
import type { BunServer } from "./engine.ts";
import { BunSocket } from "./socket.ts";

/** Decides about an upgrade: a refusal, or what it may become. */
export type Admit = (request: Request, context: UpgradeContext) => Promise<Response | Admission>;

/** Makes an upgrade that is let in; the Response is a refusal, or an empty one that Bun ignores after an upgrade. */
export async function upgrade(request: Request, server: BunServer<BunSocket>, admit: Admit): Promise<Response> {
  const remoteAddress = plainAddress(server.requestIP(request)?.address);
  const answer = await admit(request, { remoteAddress, signal: request.signal });
  if (!isAdmission(answer)) return answer;
  if (make(request, server, answer)) return new Response(null);
  answer.cancel();
  return refuse(400, "the upgrade failed");
}

function make(request: Request, server: BunServer<BunSocket>, admission: Admission): boolean {
  try {
    return server.upgrade(request, { headers: headersOf(admission), data: new BunSocket(admission) });
  } catch (error) {
    admission.cancel();
    throw new MeshError("failed_precondition", NO_WEBSOCKET, { cause: error });
  }
}

const NO_WEBSOCKET = "could not upgrade: Bun was started without the hub's WebSocket handlers: " +
  "write Bun.serve({ fetch: app.fetch, websocket: websocket(hub) })";

function headersOf(admission: Admission): Headers {
  const headers = new Headers(extraHeaders(admission));
  // Left out, Bun would answer with the first subprotocol that was offered.
  headers.set("sec-websocket-protocol", admission.protocol);
  return headers;
}
