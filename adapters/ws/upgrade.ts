import type { IncomingMessage } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { type Admission, refuse, type UpgradeContext } from "../../src/door/admission.ts";
import type { Limits } from "../../src/base/limits.ts";
import { extraHeaders } from "../shared/extra-headers.ts";
import { plainAddress } from "../shared/upgrade-options.ts";
import type { Admitted } from "../shared/upgrade-slot.ts";
import { PendingUpgrade } from "./pending-upgrade.ts";
import { toRequest } from "./request.ts";
import { respondToUpgrade } from "./respond.ts";
import { WsSocket } from "./socket.ts";

/** A listener of a server's `upgrade` event. */
export type OnUpgrade = (this: UpgradeServer, incoming: IncomingMessage, stream: Duplex, head: Buffer) => void;

/** A server of `node:http` or `node:https`: what takes its upgrade requests. */
export interface UpgradeServer {
  on(event: "upgrade", listener: OnUpgrade): unknown;
  off(event: "upgrade", listener: OnUpgrade): unknown;
  listenerCount(event: "upgrade"): number;
}

/** Who answers a server's upgrade requests. */
export interface UpgradeRoute {
  /** Whether a request is this one's to answer. */
  accepts(request: Request): boolean;
  /** Answers it. Must not reject. */
  answer(request: Request, context: UpgradeContext, incoming: IncomingMessage): Promise<Response | Admitted>;
}

/** The routes of each server, in the order they were added, behind one listener. */
const routesOf = new WeakMap<UpgradeServer, Set<UpgradeRoute>>();

/** Answers a server's upgrade requests from now on; returns what ends that. */
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
  // Without a listener one RST would end the process.
  stream.on("error", ignore);
  let request: Request;
  try {
    request = toRequest(incoming);
  } catch {
    void respondToUpgrade(refuse(400, "this is not a valid request"), stream);
    return;
  }
  for (const route of routesOf.get(this) ?? []) {
    if (!route.accepts(request)) continue;
    void answer(route, request, incoming, new PendingUpgrade(stream, head));
    return;
  }
  // Another listener may want it.
  if (this.listenerCount("upgrade") === 1) void respondToUpgrade(refuse(404, "not found"), stream);
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

function complete({ admission, limits }: Admitted, incoming: IncomingMessage, stream: Duplex, head: Buffer): void {
  admissions.set(incoming, admission);
  let opened = false;
  try {
    webSocketServer(limits).handleUpgrade(incoming, stream, head, (ws: WebSocket) => {
      opened = true;
      WsSocket.open(ws, stream, admission);
    });
  } finally {
    // The peer is gone, or ws found fault with the handshake and said so.
    if (!opened) admission.cancel();
  }
}

/** The admissions whose 101 is being written: how they reach the listeners that `ws` offers for it. */
const admissions = new WeakMap<IncomingMessage, Admission>();

const webSocketServers = new WeakMap<Readonly<Limits>, WebSocketServer>();

/** The `ws` server for the hub that has these limits. */
function webSocketServer(limits: Readonly<Limits>): WebSocketServer {
  let server = webSocketServers.get(limits);
  if (server) return server;
  const options = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.maxMessageBytes,
    closeTimeout: limits.closeTimeoutMs,
    handleProtocols: (_offered: Set<string>, incoming: IncomingMessage) => admissions.get(incoming)?.protocol || false,
  } as const;
  server = new WebSocketServer(options);
  server.on("headers", (lines, incoming) => {
    const admission = admissions.get(incoming);
    if (!admission) return;
    for (const [name, value] of extraHeaders(admission)) lines.push(`${name}: ${value}`);
  });
  webSocketServers.set(limits, server);
  return server;
}

function ignore(): void {}
