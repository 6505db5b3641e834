import { type Decision, readDecision } from "./decision.ts";
import type { SessionFactory, UpgradeInfo } from "../client/session.ts";
import type { Socket, SocketReceiver } from "../client/socket.ts";

/**
 * An upgrade that was let in: its id is claimed, its 101 is still to be sent.
 *
 * An adapter calls exactly one of `open` and `cancel`.
 */
export interface Admission {
  readonly id: string;
  /** The subprotocol to answer with; "" for none: then the response has no such header. */
  readonly protocol: string;
  /** More headers for the 101. */
  readonly headers: Headers;
  /** The connection stands: the client joins the hub. Events of the socket go to the receiver from now on. */
  open(socket: Socket): SocketReceiver;
  /** The connection did not come about: the id is given up. */
  cancel(): void;
}

/**
 * Whether the answer to an upgrade is an admission; a refusal otherwise.
 * Adapters ask this rather than `instanceof Response`: an application may replace that class at any time.
 */
export function isAdmission(answer: Response | Admission): answer is Admission {
  return "open" in answer && typeof answer.open === "function";
}

/** What an adapter knows of an upgrade besides its request. */
export interface UpgradeContext {
  /** The peer's IP address; "" where the runtime does not tell. */
  readonly remoteAddress: string;
  /** Aborted when the peer gave up. */
  readonly signal?: AbortSignal;
}

/** A refusal in plain text. */
export function refuse(status: number, text: string, headers?: Record<string, string>): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
}

/** Refuses a request that is not a WebSocket handshake of version 13 (RFC 6455 section 4.2.1); undefined if it is one. */
export function checkHandshake(request: Request): Response | undefined {
  const { headers, method } = request;
  if (method !== "GET") return refuse(405, "a WebSocket handshake is a GET", { allow: "GET" });
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return refuse(426, "this is a WebSocket endpoint", { upgrade: "websocket", connection: "Upgrade" });
  }
  if (headers.get("sec-websocket-version")?.trim() !== "13") {
    return refuse(426, "WebSocket version 13 is spoken here", { "sec-websocket-version": "13" });
  }
  // 16 bytes in base64.
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers.get("sec-websocket-key")?.trim() ?? "")) {
    return refuse(400, "Sec-WebSocket-Key is missing or wrong");
  }
  return undefined;
}

/** Runs the application's session factory; aborts its signal when the peer gave up or `timeoutMs` passed. */
export async function runSession<Data>(
  factory: SessionFactory<Data>,
  request: Request,
  context: UpgradeContext,
  timeoutMs: number,
): Promise<Decision<Data>> {
  const returned: unknown = factory(request, upgradeInfo(context, timeoutMs));
  return readDecision("session", isThenable(returned) ? await settled(returned, context, timeoutMs) : returned);
}

function settled(returned: PromiseLike<unknown>, context: UpgradeContext, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(refuse(503, "the upgrade took too long", { "retry-after": "1" }));
    const timer = setTimeout(onAbort, timeoutMs);
    context.signal?.addEventListener("abort", onAbort, { once: true });
    void Promise.resolve(returned).then(resolve, reject).finally(() => {
      clearTimeout(timer);
      context.signal?.removeEventListener("abort", onAbort);
    });
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** What a factory is told. Its signal is made when it is looked at: most never do, and it costs more than all the rest. */
function upgradeInfo({ remoteAddress, signal: gaveUp }: UpgradeContext, timeoutMs: number): UpgradeInfo {
  const endsAtMs = performance.now() + timeoutMs;
  let signal: AbortSignal | undefined;
  return {
    remoteAddress,
    get signal() {
      if (signal) return signal;
      const timeout = AbortSignal.timeout(Math.max(0, Math.ceil(endsAtMs - performance.now())));
      return (signal = gaveUp ? AbortSignal.any([gaveUp, timeout]) : timeout);
    },
  };
}
