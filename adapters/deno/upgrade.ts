import { type Admission, isAdmission, refuse, type UpgradeContext } from "../../src/door/admission.ts";
import { checkHandshake } from "../../src/door/handshake.ts";
import { invalidArgument } from "../../src/base/error.ts";
import type { Limits } from "../../src/base/limits.ts";
import { attachWebSocket } from "../../src/door/whatwg-socket.ts";
import { extraHeaders } from "../shared/extra-headers.ts";
import { plainAddress } from "../shared/upgrade-options.ts";
import type { DenoEngine, DenoServeInfo } from "./engine.ts";
import { GaveUp } from "./gave-up.ts";

/** Seconds without a sign of life after which Deno closes; it pings when half of them are over, and waits for as long. 0 is never. */
function idleTimeout({ pingMs, pongMs }: Readonly<Limits>): number {
  return pingMs === Infinity ? 0 : Math.max(pingMs, 2 * pongMs) / 1_000;
}

/** Makes an upgrade that is let in; the Response is the 101 or a refusal. */
export async function upgrade(
  request: Request,
  info: DenoServeInfo | undefined,
  limits: Readonly<Limits>,
  admit: (request: Request, context: UpgradeContext) => Promise<Response | Admission>,
): Promise<Response> {
  const { Deno } = globalThis as { Deno?: DenoEngine };
  if (!Deno) throw invalidArgument("meshsocket/deno runs on Deno: import meshsocket/node or meshsocket/bun here");
  const refusal = checkHandshake(request) ?? checkOneHost(request);
  if (refusal) return refusal;
  const gaveUp = new GaveUp(request);
  try {
    const context = { remoteAddress: addressOf(info), signal: gaveUp.signal };
    const answer = await admit(copyOf(request, gaveUp.signal), context);
    return isAdmission(answer) ? accept(Deno, request, answer, limits) : answer;
  } finally {
    gaveUp.release();
  }
}

/** Deno's own server lets a request in that has no Host, which an upgrade must have (RFC 9112 section 3.2). */
function checkOneHost(request: Request): Response | undefined {
  return request.headers.has("host") ? undefined : refuse(400, "a request has exactly one Host header");
}

function accept(deno: DenoEngine, request: Request, admission: Admission, limits: Readonly<Limits>): Response {
  let upgraded: ReturnType<DenoEngine["upgradeWebSocket"]>;
  try {
    upgraded = deno.upgradeWebSocket(request, { idleTimeout: idleTimeout(limits) });
  } catch (error) {
    admission.cancel();
    throw error;
  }
  const { socket, response } = upgraded;
  for (const [name, value] of extraHeaders(admission)) response.headers.append(name, value);
  // By hand: the option of upgradeWebSocket does not understand offers that are written without a space.
  if (admission.protocol) response.headers.set("sec-websocket-protocol", admission.protocol);
  attachWebSocket(socket, admission, limits);
  return response;
}

/** The request as the application may keep it: Deno's own cannot be read after the upgrade. */
export function copyOf(request: Request, signal?: AbortSignal): Request {
  return new Request(request.url, { headers: request.headers, ...(signal && { signal }) });
}

function addressOf(info: DenoServeInfo | undefined): string {
  const address = info?.remoteAddr;
  return address && "hostname" in address ? plainAddress(address.hostname) : "";
}
