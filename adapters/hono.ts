/**
 * meshsocket in a Hono app, on Bun, Deno and Node.
 *
 * @module
 */
import "../src/base/check/check-node.ts";
import type { Context, Env, Handler, Input } from "hono";
import { type Admission, isAdmission, type UpgradeContext } from "../src/door/admission.ts";
import { kindOf } from "../src/base/check/check.ts";
import { invalidArgument, MeshError } from "../src/base/error.ts";
import type { Hub } from "../src/hub/hub.ts";
import type { Refusal, Session, SessionFactory, UpgradeInfo } from "../src/client/session.ts";
import type { Admit } from "./bun/upgrade.ts";
import type { BunServer } from "./bun/engine.ts";
import type { BunSocket } from "./bun/socket.ts";
import { upgrade as upgradeBun } from "./bun/upgrade.ts";
import type { DenoServeInfo } from "./deno/engine.ts";
import { copyOf, upgrade as upgradeDeno } from "./deno/upgrade.ts";
import { HeldAdmission } from "./shared/held-admission.ts";
import { checkHostHeader, checkHub, isUpgrade, refuseLostUpgrade } from "./shared/upgrade-options.ts";
import { UPGRADE_SLOT, type UpgradeSlot } from "./shared/upgrade-slot.ts";

export { websocket } from "./bun/socket.ts";

/** Decides, with what middleware left in the context, whether a request becomes a client; a Response refuses it. */
export type ContextSessionFactory<Data, E extends Env, Path extends string, I extends Input> = (
  c: Context<E, Path, I>,
  info: UpgradeInfo,
) => Session<Data> | Response | Refusal | Promise<Session<Data> | Response | Refusal>;

/**
 * A Hono handler that makes an upgrade request a client of the hub: `app.get("/ws", auth, upgrade(hub, (c) => ({ … })))`.
 *
 * For the app's own variables annotate the context: `(c: Context<AppEnv>) => …`.
 * Middleware runs before it, and headers that it set go into the 101. Other requests go on to the next handler.
 * An `HTTPException` that the session throws refuses the upgrade with its own response.
 * The app's `fetch` is served as ever, with one addition on Bun and one on Node:
 *
 * - Bun: `export default { fetch: app.fetch, websocket: websocket(hub) }`, with {@link websocket};
 * - Deno: nothing, `Deno.serve(app.fetch)` or `export default app` will do;
 * - Node: `attachApp(app, server)` from `meshsocket/node`, where `server` is what `@hono/node-server` made.
 *
 * Throws a TypeError (`invalid_argument`) if `session` is not a function.
 */
export function upgrade<
  Data = unknown,
  E extends Env = Env,
  Path extends string = string,
  I extends Input = Record<string, unknown>,
>(hub: Hub<Data>, session: ContextSessionFactory<Data, E, Path, I>): Handler<E, Path, I, Promise<Response>> {
  checkHub(USAGE, hub);
  if (typeof session !== "function") {
    throw invalidArgument(`session must be a function from Hono's context, not ${kindOf(session)}: write ${USAGE}`);
  }
  return async (c, next) => {
    if (isUpgrade(c.req.raw)) return checkHostHeader(c.req.raw) ?? (await answer(hub, c, session));
    const lost = refuseLostUpgrade(c.req.raw, undefined);
    if (lost) return lost;
    await next();
    return c.res;
  };
}

const USAGE = "upgrade(hub, (c) => ({ id, onConnect, onEvent }))";

async function answer<Data, E extends Env, Path extends string, I extends Input>(
  hub: Hub<Data>,
  c: Context<E, Path, I>,
  session: ContextSessionFactory<Data, E, Path, I>,
): Promise<Response> {
  const env: unknown = c.env;
  const slot = slotOf(env);
  if (slot) return fillSlot(slot, hub, await admit(hub, c, session, slot.context));
  let held: HeldAdmission | undefined;
  const hold = async (_: Request, context: UpgradeContext): Promise<Response | Admission> => {
    const answered = await admit(hub, c, session, context);
    return isAdmission(answered) ? (held = new HeldAdmission(answered, hub.limits)) : answered;
  };
  const response = await upgradeHere(hub, c, hold);
  if (held) keepAnswer(c, response, held);
  return response;
}

async function admit<Data, E extends Env, Path extends string, I extends Input>(
  hub: Hub<Data>,
  c: Context<E, Path, I>,
  session: ContextSessionFactory<Data, E, Path, I>,
  context: UpgradeContext,
): Promise<Response | Admission> {
  const factory: SessionFactory<Data> = (request, info) => {
    // The hub's has the scheme that trusted proxies report.
    if (request !== c.req.raw) c.req.raw = request;
    return callSession(session, c, info);
  };
  const admission = await hub.admit(c.req.raw, factory, context);
  if (!isAdmission(admission)) return admission;
  for (const [name, value] of c.body(null).headers) admission.headers.append(name, value);
  return admission;
}

/** Upgrades by the engine of this runtime. */
async function upgradeHere<Data, E extends Env, Path extends string, I extends Input>(
  hub: Hub<Data>,
  c: Context<E, Path, I>,
  hold: Admit,
): Promise<Response> {
  const request = c.req.raw;
  const env: unknown = c.env;
  const server = bunServerOf(env);
  if (server) return await upgradeBun(request, server, hold);
  if (!("Deno" in globalThis)) throw new MeshError("failed_precondition", NOT_SET_UP);
  // Deno's own request cannot be read after the upgrade.
  c.req.raw = copyOf(request);
  return await upgradeDeno(request, env as DenoServeInfo | undefined, hub.limits, hold);
}

/**
 * Keeps the answer of an upgrade that the engine has made: the connection is open, and another response cannot be sent.
 *
 * If middleware or the app's error handler answers otherwise later, the client is refused by a close code instead. It joins
 * once the middleware has run that waits for nothing but promises of its own.
 */
function keepAnswer<E extends Env, Path extends string, I extends Input>(
  c: Context<E, Path, I>,
  made: Response,
  held: HeldAdmission,
): void {
  // Hono would merge a 101 into the response that middleware began, and a copy of a 101 cannot be made.
  c.res = undefined;
  c.res = made;
  Object.defineProperty(c, "res", {
    configurable: true,
    get: () => made,
    set: (other: Response | undefined) => {
      if (other && other !== made && !other.ok) held.refuse(other);
    },
  });
  void agreeAfterMiddleware(held);
}

/** Promise steps that are left to the middleware around the handler, about three for each. */
const MIDDLEWARE_STEPS = 100;

/** Bun has opened the connection already; Deno opens it after the app has answered, so it sees the refusal in time anyway. */
async function agreeAfterMiddleware(held: HeldAdmission): Promise<void> {
  for (let step = 0; "Bun" in globalThis && step < MIDDLEWARE_STEPS; step++) await Promise.resolve();
  held.agree();
}

const NOT_SET_UP = "the upgrade did not reach the app with its socket: on Node call attachApp(app, server) of " +
  "meshsocket/node, on Bun serve the app with Bun.serve or export default";

async function callSession<Data, E extends Env, Path extends string, I extends Input>(
  session: ContextSessionFactory<Data, E, Path, I>,
  c: Context<E, Path, I>,
  info: UpgradeInfo,
): Promise<Session<Data> | Response | Refusal> {
  try {
    return await session(c, info);
  } catch (error) {
    const exception = error as { getResponse?: () => Response } | null;
    if (typeof exception?.getResponse === "function") return exception.getResponse();
    throw error;
  }
}

function slotOf(env: unknown): UpgradeSlot | undefined {
  return (env as { [UPGRADE_SLOT]?: UpgradeSlot } | undefined)?.[UPGRADE_SLOT];
}

function fillSlot<Data>(slot: UpgradeSlot, hub: Hub<Data>, answered: Response | Admission): Response {
  if (!isAdmission(answered)) return answered;
  slot.admitted = { admission: answered, hub };
  return new Response(null);
}

/** Hono has Bun's server as its `env`, or as `env.server`. */
function bunServerOf(env: unknown): BunServer<BunSocket> | undefined {
  const outer = env as (Partial<BunServer<BunSocket>> & { server?: BunServer<BunSocket> }) | undefined;
  const server = outer?.server ?? outer;
  return typeof server?.upgrade === "function" ? (server as BunServer<BunSocket>) : undefined;
}
