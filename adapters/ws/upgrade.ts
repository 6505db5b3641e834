import type { IncomingMessage } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { Duplex } from "node:stream";
import { refuse, type UpgradeContext } from "../../src/door/admission.ts";
import { declineUpgrade } from "../shared/decline-upgrade.ts";
import { isUpgrade, plainAddress } from "../shared/upgrade-options.ts";
import type { Admitted } from "../shared/upgrade-slot.ts";
import { acceptDeflate } from "./deflate-offer.ts";
import { checkRequestHead, switchingProtocols } from "./handshake.ts";
import { PendingUpgrade } from "./pending-upgrade.ts";
import { toRequest } from "./request.ts";
import { respondToUpgrade } from "./respond.ts";
import { rulesOf } from "./rules.ts";
import { FrameSocket } from "./socket.ts";
import { guard } from "./stream-owner.ts";

/** A listener of a server's `upgrade` event. */
export type OnUpgrade = (this: UpgradeServer, incoming: IncomingMessage, stream: Duplex, head: Buffer) => void;

/** The part of a server of `node:http` or `node:https` that takes upgrade requests. */
export interface UpgradeServer {
  on(event: "upgrade", listener: OnUpgrade): unknown;
  off(event: "upgrade", listener: OnUpgrade): unknown;
  listenerCount(event: "upgrade"): number;
}

/** The handlers of a server's upgrade requests. */
export interface UpgradeRoute {
  /** Whether a request is this one's to answer; `webSocket`: it asks to become a WebSocket. */
  accepts(request: Request, webSocket: boolean): boolean;
  /** Answers it. Must not reject. */
  answer(request: Request, context: UpgradeContext, incoming: IncomingMessage): Promise<Response | Admitted>;
}

/** The routes of each server, in the order they were added, behind one listener. */
const routesOf = new WeakMap<UpgradeServer, Set<UpgradeRoute>>();

/** Answers a server's upgrade requests from now on; returns a function that ends that. */
export function addUpgradeRoute(server: UpgradeServer, route: UpgradeRoute): () => void {
  const routes = routesOf.get(server) ?? new Set();
  if (routes.size === 0) {
    routesOf.set(server, routes);
    server.on("upgrade", onUpgrade);
  }
  routes.add(route);
  return () => {
    if (routes.delete(route) && routes.size === 0) server.off("upgrade", onUpgrade);
  };
}

function onUpgrade(this: UpgradeServer, incoming: IncomingMessage, stream: Duplex, head: Buffer): void {
  guard(stream);
  let request: Request;
  try {
    request = toRequest(incoming);
  } catch {
    void respondToUpgrade(refuse(400, "this is not a valid request"), stream);
    return;
  }
  const webSocket = isUpgrade(request);
  for (const route of routesOf.get(this) ?? []) {
    if (!route.accepts(request, webSocket)) continue;
    const refusal = webSocket ? checkRequestHead(incoming) : undefined;
    if (refusal) void respondToUpgrade(refusal, stream);
    else void answer(route, request, incoming, new PendingUpgrade(stream, head));
    return;
  }
  // Another listener may want it.
  if (this.listenerCount("upgrade") > 1) return;
  if (webSocket && request.method === "GET") void respondToUpgrade(refuse(404, "not found"), stream);
  else if (!declineUpgrade(this, incoming, stream, head)) {
    void respondToUpgrade(refuse(411, "a body with an Upgrade header needs a Content-Length"), stream);
  }
}

async function answer(
  route: UpgradeRoute,
  request: Request,
  incoming: IncomingMessage,
  pending: PendingUpgrade,
): Promise<void> {
  const { stream, signal } = pending;
  const remoteAddress = plainAddress((stream as NetSocket).remoteAddress);
  const answered = await route.answer(request, { remoteAddress, signal }, incoming);
  const head = pending.release();
  if ("admission" in answered) complete(answered, incoming, stream, head);
  else await respondToUpgrade(answered, stream);
}

/** Sends the 101 and opens the connection, unless the peer is gone. */
function complete({ admission, hub }: Admitted, incoming: IncomingMessage, stream: Duplex, early: Buffer): void {
  if (!stream.readable || !stream.writable) {
    stream.destroy();
    admission.cancel();
    return;
  }
  const { headers } = incoming;
  const deflate = hub.compression && acceptDeflate(headers["sec-websocket-extensions"]);
  stream.write(switchingProtocols(headers["sec-websocket-key"] ?? "", admission, deflate?.answer), "latin1");
  setUp(stream as NetSocket);
  FrameSocket.open(stream, early, admission, rulesOf(hub, deflate?.windowBits));
}

/** A frame leaves at once, and a quiet connection stays: pings find the dead ones. */
function setUp(stream: NetSocket): void {
  stream.setTimeout?.(0);
  stream.setNoDelay?.(true);
}
