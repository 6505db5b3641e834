/** Misuses that people of Socket.IO, ws, Hono and crossws try: each is refused with a message that names it and its fix. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { upgrade, websocket } from "../../adapters/hono.ts";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { errorCode } from "../../src/base/error.ts";
import { Hub } from "../../src/hub/hub.ts";
import { type Logger, silentLogger } from "../../src/base/log/logger.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { createToken } from "../../src/rpc/token.ts";
import { verifyBearer } from "../../src/door/auth.ts";
import { MemoryClient, upgradeRequest } from "../kit/memory-client.ts";
import {
  CLIENT,
  HUB,
  type Misuse,
  OF_ADAPTERS,
  OF_DIST_CLIENT,
  OF_DIST_HUB,
  OF_HUB,
  OF_TOKENS,
  ON_BUN,
  ON_CLIENT,
  ON_DIST_CLIENT,
  ON_HUB,
  ON_NODE,
  type Unmakeable,
} from "../kit/misuses.ts";
import { runtime } from "../kit/runtime.ts";
import { loadListen, loadServe } from "../kit/servers.ts";

type Method = (...args: unknown[]) => unknown;

/** The functions of this runtime that are misused. */
async function functions(): Promise<Readonly<Record<string, unknown>>> {
  const adapter = runtime === "bun" ? await import("../../adapters/bun.ts") : await import("../../adapters/node.ts");
  const [serve, listen] = [await loadServe(), await loadListen()];
  return { ...adapter, serve, listen, upgrade, websocket, createToken, verifyBearer };
}

/** Calls a method past the compiler; a dot leads to a method of a method. */
function call(object: object, path: string, args: readonly unknown[]): unknown {
  let owner = object;
  let value: unknown = object;
  for (const name of path.split(".")) {
    owner = value as object;
    value = (owner as Record<string, unknown>)[name];
  }
  return (value as Method).apply(owner, [...args]);
}

/** Why a misuse was not refused as it should be; undefined if it was. */
async function fault(misuse: () => unknown, name: RegExp, fix: RegExp): Promise<string | undefined> {
  try {
    await misuse();
    return "was accepted";
  } catch (error) {
    const text = String(error);
    const right = error instanceof TypeError && errorCode(error) === "invalid_argument";
    return right && name.test(text) && fix.test(text) ? undefined : `${text}, which should have ${name} and ${fix}`;
  }
}

/** The faults of all misuses of an object's methods. */
async function faults(object: object, misuses: readonly Misuse[], hub: Hub): Promise<string[]> {
  const found: string[] = [];
  for (const [method, args, name, fix] of misuses) {
    const filled = args.map((arg) => fill(arg, hub));
    const why = await fault(() => call(object, method, filled), name, fix);
    if (why !== undefined) found.push(`${method}(${show(args)}): ${why}`);
  }
  return found;
}

async function unmade(Made: new (...args: never[]) => unknown, misuses: readonly Unmakeable[]): Promise<string[]> {
  const found: string[] = [];
  for (const [args, name, fix] of misuses) {
    const why = await fault(() => new Made(...(args as never[])), name, fix);
    if (why !== undefined) found.push(`new ${Made.name}(${show(args)}): ${why}`);
  }
  return found;
}

/** An argument with the hub and its client in the places that stand for them. */
function fill(arg: unknown, hub: Hub): unknown {
  if (arg === HUB) return hub;
  if (arg === CLIENT) return hub.client("alice");
  if (typeof arg !== "object" || arg === null || !Object.hasOwn(arg, "except")) return arg;
  const { except } = arg as { except: unknown };
  return { except: Array.isArray(except) ? except.map((each) => fill(each, hub)) : fill(except, hub) };
}

function show(args: readonly unknown[]): string {
  return args.map((arg) => (typeof arg === "object" ? Object.keys(arg ?? {}).join() : typeof arg)).join("; ");
}

test("each misuse is refused with a TypeError that names it and its fix, and is no internal error", async () => {
  const errors: unknown[][] = [];
  const logger: Logger = { ...silentLogger, error: (...data) => void errors.push(data) };
  await using hub = new Hub({ logger });
  const alice = await MemoryClient.open(hub, { id: "alice" });
  const client = hub.client("alice");
  assert.ok(client);
  using dist = new DistClient({ url: "http://127.0.0.1:9", logger });
  const all = await functions();
  const ofServers = [...OF_ADAPTERS, ...(runtime === "bun" ? ON_BUN : ON_NODE)];
  const found = [
    ...(await faults(hub, ON_HUB, hub)),
    ...(await faults(client, ON_CLIENT, hub)),
    ...(await faults(dist, ON_DIST_CLIENT, hub)),
    ...(await unmade(Hub, OF_HUB)),
    ...(await unmade(DistHub, OF_DIST_HUB)),
    ...(await unmade(DistClient, OF_DIST_CLIENT)),
    ...(await faults(all, [...OF_TOKENS, ...ofServers], hub)),
  ];
  assert.deepEqual(found, []);
  assert.deepEqual(errors, []);
  assert.equal(await client.emit("still here"), true);
  assert.equal(await alice.next(), "still here");
  assert.deepEqual([...client.topics], []);
  const tables = [ON_HUB, ON_CLIENT, ON_DIST_CLIENT, OF_HUB, OF_DIST_HUB, OF_DIST_CLIENT, OF_TOKENS, ofServers];
  assert.ok(tables.flat().length >= 180);
});

/** Sessions that are none; each refuses its upgrade and is named in the `refused` event. */
const SESSIONS: readonly (readonly [returned: unknown, name: RegExp])[] = [
  [undefined, /not undefined/],
  ["alice", /not a string/],
  [true, /not a boolean/],
  [{ id: 5 }, /id must be a string, not a number/],
  [{ onMessage() {} }, /"onMessage": did you mean onEvent/],
  [{ onOpen() {} }, /"onOpen": did you mean onConnect/],
  [{ onClose() {} }, /"onClose": did you mean onDisconnect/],
  [{ message() {} }, /"message": did you mean onEvent/],
  [{ onEvent: "x" }, /onEvent must be a function/],
  [{ headers: { "a b": "c" } }, /./],
  [{ protocol: "chat" }, /protocol was not offered/],
  [{ protocol: 5 }, /protocol must be a string/],
  [{ refuse: 1006 }, /1006/],
  [{ refuse: "4401" }, /4401/],
  [{ refuse: 4401, reason: 5 }, /reason/],
  [{ refuse: 4401, reason: null }, /reason/],
  [{ refuse: 4401, id: "a" }, /"id"/],
  [[], /an array/],
];

test("each session that is none refuses its upgrade with 500, and the event says what came", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const seen: unknown[] = [];
  hub.on("refused", ({ error }) => seen.push(error));
  for (const [returned, name] of SESSIONS) {
    const answer = await hub.admit(upgradeRequest(), () => returned as never, { remoteAddress: "" });
    assert.ok(answer instanceof Response, String(name));
    assert.equal(answer.status, 500);
    assert.match(String(seen.pop()), name);
  }
  assert.equal(hub.size, 0);
});

test("a DistHub that was attached and never listens refuses with 503, and says to call listen", async () => {
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (...data) => void warnings.push(data.map(String).join(": ")) };
  await using hub = new DistHub({ storage: new MemoryStorage(), logger });
  const reasons: string[] = [];
  hub.on("refused", ({ reason, status }) => reasons.push(`${reason} ${status}`));
  const answer = await hub.admit(upgradeRequest(), () => ({}), { remoteAddress: "" });
  assert.ok(answer instanceof Response);
  assert.equal(answer.status, 503);
  assert.deepEqual(reasons, ["starting 503"]);
  assert.match(warnings.join("\n"), /has not joined its cluster: .*listen\(\)/);
});
