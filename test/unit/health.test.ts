/** What a hub says of its readiness, and how that becomes the answer to a probe. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { healthHandler, type HealthOptions } from "../../src/hub/health.ts";
import { Hub } from "../../src/hub/hub.ts";
import { readinessOf } from "../../src/hub/readiness.ts";
import { HubState } from "../../src/hub/state.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { any, assertAllInvalid, each } from "../kit/invalid.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { CANARY } from "../kit/silent.ts";

type Handler = ReturnType<typeof healthHandler>;

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function ask(handler: Handler, path: string, method: string = "GET"): Response {
  const answer = handler(new Request(`http://localhost${path}`, { method }));
  assert.ok(answer, `${method} ${path} was not answered`);
  return answer;
}

test("a probe of a hub that is ready gets 200 in JSON, which nothing may cache", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const handler = healthHandler(hub);
  for (const path of ["/livez", "/readyz", "/readyz?verbose", "/livez?"]) {
    const answer = ask(handler, path);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.equal(answer.headers.get("content-type"), "application/json");
  }
  assert.deepEqual(await ask(handler, "/livez").json(), { live: true, status: "ready" });
  const { since, ...rest } = (await ask(handler, "/readyz").json()) as { since: string };
  assert.deepEqual(rest, { ready: true, status: "ready" });
  assert.match(since, TIME);
});

test("HEAD gets the status and the headers of GET without a body, and another method is refused", async () => {
  const hub = new Hub({ logger: silentLogger });
  const handler = healthHandler(hub);
  for (const state of ["ready", "closed"]) {
    for (const path of ["/livez", "/readyz"]) {
      const [get, head] = [ask(handler, path), ask(handler, path, "HEAD")];
      assert.equal(head.status, state === "ready" ? 200 : 503);
      assert.equal(head.status, get.status);
      assert.deepEqual([...head.headers], [...get.headers]);
      assert.equal(await head.text(), "");
      const post = ask(handler, path, "POST");
      assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
    }
    await hub.close();
  }
});

test("another path is not answered, and paths can be chosen", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const handler = healthHandler(hub, { readyz: "/healthz", livez: undefined as unknown as string });
  for (const path of ["/", "/readyz", "/healthz/", "/livez/", "/LIVEZ", "/x/healthz", "/x?/healthz"]) {
    assert.equal(handler(new Request(`http://localhost${path}`)), undefined, path);
  }
  assert.equal(ask(handler, "/healthz").status, 200);
  assert.equal(ask(handler, "/livez").status, 200);
});

test("a DistHub that was attached to a server and never listens is alive, not ready, and says what to do", async () => {
  await using hub = new DistHub({ storage: new MemoryStorage(), logger: silentLogger });
  const handler = healthHandler(hub);
  assert.deepEqual(await ask(handler, "/livez").json(), { live: true, status: "starting" });
  const answer = ask(handler, "/readyz");
  assert.equal(answer.status, 503);
  const { since, ...rest } = (await answer.json()) as { since: string };
  assert.deepEqual(rest, {
    ready: false,
    status: "starting",
    reason: "the hub has not joined its cluster: await serve() or listen() of an adapter",
  });
  assert.match(since, TIME);
});

test("a hub that closes is announced, then draining, then closed", async () => {
  const hub = new Hub({ logger: silentLogger });
  const handler = healthHandler(hub);
  const seen: string[] = [];
  const look = (): void => {
    const { status, ready } = hub.readiness;
    assert.equal(ready, status === "ready");
    assert.equal(ask(handler, "/readyz").status, status === "ready" ? 200 : 503);
    assert.equal(ask(handler, "/livez").status, status === "closed" ? 503 : 200);
    if (seen.at(-1) !== status) seen.push(status);
  };
  look();
  const client = await MemoryClient.open(hub, { id: "alice" });
  hub.on("draining", look);
  hub.on("disconnect", look);
  hub.on("close", look);
  const closed = hub.close({ announceMs: 20, drainMs: 20 });
  await client.closed();
  await closed;
  look();
  assert.deepEqual(seen, ["ready", "announced", "draining", "closed"]);
});

test("a degraded hub gives the text of a meshsocket error and of no other, since the first and why the last", () => {
  const state = new HubState(silentLogger, "starting");
  state.ready();
  const reason = (error: unknown): unknown => {
    state.degraded(error);
    return readinessOf(state).reason;
  };
  const away = new MeshError("unavailable", "the storage cannot be reached at 10.0.0.9:6379", {
    cause: new Error(CANARY),
  });
  assert.equal(reason(away), away.message);
  const { since } = readinessOf(state);
  const foreign = [new Error(CANARY), new TypeError(`redis://:${CANARY}@host`), CANARY, { message: CANARY }, undefined];
  for (const error of foreign) {
    assert.equal(reason(error), "the storage does not answer: the log of this node says why");
  }
  const moved = new MeshError("failed_precondition", "advertise 10.0.0.5:8081 leads to another node");
  assert.equal(reason(moved), moved.message);
  assert.equal(String(reason(new MeshError("unavailable", "x".repeat(5_000)))).length, 1_000);
  assert.deepEqual([readinessOf(state).status, readinessOf(state).since], ["degraded", since]);
  state.ready();
  assert.deepEqual([readinessOf(state).ready, readinessOf(state).reason], [true, undefined]);
});

test("bad options of a health handler throw invalid_argument", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const bad: unknown[] = [
    null,
    true,
    "/health",
    [],
    { ready: "/readyz" },
    { livez: "livez" },
    { livez: "" },
    { readyz: 5 },
    { readyz: "/ready?now" },
    { readyz: "/ready#now" },
    { readyz: "/a/../b" },
    { readyz: "/two words" },
    { readyz: "//readyz/.." },
    { livez: "/readyz" },
    { livez: "/same", readyz: "/same" },
  ];
  await assertAllInvalid([
    ...each(bad, "healthHandler with", (options) => healthHandler(hub, options as HealthOptions)),
    ["healthHandler without a hub", () => healthHandler(any({}))],
  ]);
});
