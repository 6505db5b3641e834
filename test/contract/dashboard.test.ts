/** The dashboard of `serve({ dashboard })`, on each runtime's own server: who may open it, and what a key opens. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { ServeOptions } from "../../src/hub/serve-options.ts";
import type { ApiKey } from "../../src/rpc/access.ts";
import { createToken } from "../../src/rpc/token.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { TestClient } from "../kit/client.ts";
import { loadServe } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

const serve = await loadServe();
const SECRET = "the secret of the cluster, of more than thirty-two bytes";
const READER = "a key that reads, of more than thirty-two bytes";
const OPERATOR = "a-key-that-does-all-of-more-than-thirty-two-bytes";
const API_KEYS: readonly ApiKey[] = [
  { secret: READER, rights: ["read"] },
  { secret: OPERATOR, rights: ["read", "send", "manage", "tap", "payloads"] },
];

type Ask = (path: string, key?: string, body?: object) => Promise<{ status: number; text: string; headers: Headers }>;

/** Serves a node with a dashboard, and "app" elsewhere. */
async function serving(
  options: Partial<ServeOptions>,
  run: (ask: Ask, node: { hub: DistHub; url: string }) => Promise<void>,
): Promise<void> {
  const hub = new DistHub({ storage: new MemoryStorage(), secret: SECRET, apiKeys: API_KEYS, logger: silentLogger });
  const { url } = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    path: "/ws",
    session: (request) => ({ id: new URL(request.url).searchParams.get("id") ?? undefined }),
    fetch: () => new Response("app"),
    rpc: { hostname: "127.0.0.1" },
    ...options,
  });
  const ask: Ask = async (path, key, body) => {
    const response = await fetch(`${url}${path}`, {
      redirect: "manual",
      ...(key !== undefined && { headers: { authorization: `Bearer ${key}` } }),
      ...(body && { method: "POST", body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  try {
    await run(ask, { hub, url });
  } finally {
    await hub.close();
  }
}

test("dashboard: its page and files are below the path, and all else is the application's", async () => {
  await serving({ dashboard: "/ops/dashboard" }, async (ask) => {
    const page = await ask("/ops/dashboard/");
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/);
    const files = [...page.text.matchAll(/(?:src|href)="([\w-]+\.\w+)"/g)].map(([, name = ""]) => name);
    assert.deepEqual(files, ["uplot.css", "style.css", "uplot.js", "app.js"]);
    for (const name of files) assert.equal((await ask(`/ops/dashboard/${name}`)).status, 200, name);
    const moved = await ask("/ops/dashboard");
    assert.deepEqual([moved.status, moved.headers.get("location")], [308, "dashboard/"]);
    for (const path of ["/", "/ops", "/ops/dashboards", "/api/state", "/app.js"]) {
      assert.equal((await ask(path)).text, "app", path);
    }
    for (const path of ["/package.json", "/..%2fserver.ts", "/toString", "/api/"]) {
      assert.notEqual((await ask(`/ops/dashboard${path}`)).status, 200, path);
    }
  });
  await serving({}, async (ask) => assert.equal((await ask("/dashboard/")).text, "app"));
});

test("dashboard: nothing is shown without a key, or with a wrong one", async () => {
  await serving({ dashboard: "/dashboard" }, async (ask) => {
    const wrong = [
      undefined,
      "wrong",
      "x".repeat(5_000),
      SECRET,
      "eyJhbGciOiJub25lIn0.eyJhdWQiOiJjbHVzdGVyIn0.x",
    ];
    for (const key of wrong) {
      for (const path of ["state", "clients", "topics", "why?id=alice", "tap?id=alice"]) {
        const { status, text } = await ask(`/dashboard/api/${path}`, key);
        assert.equal(status, 401, `${path} with ${key}: ${text}`);
        assert.match((JSON.parse(text) as { error: string }).error, /apiKeys/);
      }
      assert.equal((await ask("/dashboard/api/emit", key, { id: "alice", message: "hi" })).status, 401);
    }
    const expired = await createToken({ secret: OPERATOR, audience: "cluster", ttlMs: 1 });
    await until("the token to expire", async () => (await ask("/dashboard/api/state", expired)).status === 401);
    const other = await createToken({ secret: OPERATOR, audience: "127.0.0.1:1" });
    assert.equal((await ask("/dashboard/api/state", other)).status, 401);
  });
});

test("dashboard: the secret of the cluster opens nothing, and the page says why", async () => {
  await serving({ dashboard: "/dashboard" }, async (ask) => {
    const { status, text } = await ask("/dashboard/api/state", SECRET);
    assert.equal(status, 401);
    assert.match(text, /the secret of the cluster, which belongs in no page/);
  });
});

test("dashboard: a key, or a token of it, opens what its rights open and no more", async () => {
  await serving({ dashboard: "/dashboard" }, async (ask, { hub, url }) => {
    const alice = await TestClient.open(`${url.replace("http", "ws")}/ws?id=alice`);
    const token = await createToken({ secret: READER, audience: "cluster" });
    for (const key of [READER, token, OPERATOR]) {
      const { nodes } = JSON.parse((await ask("/dashboard/api/state", key)).text) as { nodes: { host: string }[] };
      assert.deepEqual(nodes.map(({ host }) => host), [hub.holder?.host]);
    }
    const denied = await ask("/dashboard/api/emit", token, { id: "alice", message: "hi" });
    assert.equal(denied.status, 403);
    assert.match(denied.text, /give it the right \\"send\\" in apiKeys/);
    const { findings } = JSON.parse((await ask("/dashboard/api/why?id=alice", READER)).text) as {
      findings: { cause: string; text: string }[];
    };
    assert.deepEqual(findings.map(({ cause }) => cause), ["connected", "refused_by_key"]);
    assert.match(findings[1]?.text ?? "", /refused a call at .*: Emit: this API key does not open that call/);
    assert.equal((await ask("/dashboard/api/tap?id=alice", token)).status, 403);
    assert.equal((await ask("/dashboard/api/disconnect", token, { id: "alice" })).status, 403);
    assert.equal((await ask("/dashboard/api/disconnect", OPERATOR)).status, 405);
    assert.equal((await ask("/dashboard/api/emit", OPERATOR, { id: "alice" })).status, 400);
    assert.equal(
      (await ask("/dashboard/api/emit", OPERATOR, { id: "alice", message: "x".repeat(1_100_000) })).status,
      413,
    );
    const sent = await ask("/dashboard/api/emit", OPERATOR, { id: "alice", message: "hello" });
    assert.deepEqual(JSON.parse(sent.text), { accepted: true });
    assert.equal(await alice.next(), "hello");
    assert.deepEqual(JSON.parse((await ask("/dashboard/api/disconnect", OPERATOR, { id: "alice" })).text), {
      found: true,
    });
    assert.equal((await alice.closed()).code, 4000);
  });
});

test("dashboard: a tap shows messages as they pass, and is gone when its page leaves", async () => {
  await serving({ dashboard: "/dashboard" }, async (ask, { hub, url }) => {
    const alice = await TestClient.open(`${url.replace("http", "ws")}/ws?id=alice`);
    const leaving = new AbortController();
    const headers = { authorization: `Bearer ${OPERATOR}` };
    const { signal } = leaving;
    const response = await fetch(`${url}/dashboard/api/tap?id=alice&payloads=true`, { headers, signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const seen = async (what: string): Promise<void> => {
      while (!text.includes(what)) text += (await reader?.read())?.value ?? assert.fail(`the tap ended: ${text}`);
    };
    await seen('"opened"');
    await hub.emit("alice", "seen");
    await seen(`"payload":"${btoa("seen")}"`);
    const taps = async (): Promise<number> => {
      const { nodes } = JSON.parse((await ask("/dashboard/api/state", OPERATOR)).text) as {
        nodes: { state: { taps: number } }[];
      };
      return nodes.reduce((sum, { state }) => sum + state.taps, 0);
    };
    assert.equal(await taps(), 1);
    leaving.abort();
    await reader?.cancel().catch(() => {});
    await until("the tap to be gone", async () => await taps() === 0);
    await alice.close();
  });
});

const BAD: readonly (readonly [Partial<ServeOptions>, RegExp])[] = [
  [{ dashboard: "dashboard" }, /dashboard must begin with "\/": "\/dashboard"/],
  [{ dashboard: "/" }, /dashboard must not end in "\/": write "\/dashboard"/],
  [{ dashboard: "/ops/" }, /dashboard must not end in "\/"/],
  [{ dashboard: true as unknown as string }, /dashboard must be a string such as/],
  [{ dashboard: undefined }, /dashboard is undefined: set the environment variable/],
  [{ dashboard: "/ws" }, /dashboard needs a path of its own, and "\/ws" is taken/],
  [{ dashboard: "/livez", health: true }, /dashboard needs a path of its own, and "\/livez" is taken/],
  [{ dashboard: "/numbers", metrics: { path: "/numbers" } }, /dashboard needs a path of its own/],
];

for (const [options, says] of BAD) {
  test(`dashboard: ${JSON.stringify(options)} is refused, with what to write instead`, async () => {
    await assert.rejects(serving(options, async () => {}), {
      name: "TypeError",
      code: "invalid_argument",
      message: says,
    });
  });
}

test("dashboard: a Hub has none, and a DistHub without API keys leaves nothing open", async () => {
  const options = { port: 0, hostname: "127.0.0.1", session: () => ({}), dashboard: "/dashboard" };
  const one = new Hub({ logger: silentLogger });
  await assert.rejects(serve(one, options), { code: "invalid_argument", message: /goes with a DistHub/ });
  const many = new DistHub({ storage: new MemoryStorage(), logger: silentLogger });
  await assert.rejects(serve(many, options), { code: "failed_precondition", message: /apiKeys: \[\{ secret/ });
  await Promise.all([one.close(), many.close()]);
});
