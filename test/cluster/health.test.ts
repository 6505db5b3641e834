/** Probes seen from outside: through nginx while a node is closed, and while the storage or the address of a node is wrong. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Readiness } from "../../src/hub/readiness.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { TestClient } from "../kit/client.ts";
import { freePort } from "../kit/free-port.ts";
import { type Nginx, startNginx } from "../kit/nginx.ts";
import { killPrograms } from "../kit/program.ts";
import { startRedisServer } from "../kit/redis.ts";
import { loadServe } from "../kit/servers.ts";
import { CANARY } from "../kit/silent.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { until } from "../kit/until.ts";

const serve = await loadServe();
const LEASE_MS = 900;
/** The time that the balancer has to notice: more than enough for one that is reloaded under load. */
const ANNOUNCE_MS = 3_000;

after(killPrograms);

async function readyz(server: Server): Promise<{ status: number; body: Readiness; text: string }> {
  const response = await fetch(`${server.url}/readyz`);
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text) as Readiness, text };
}

// ---- through nginx ----

/** Balances over these ports, and probes the first of them under `/probe`. No failure is hidden by another try. */
function upstreams(ports: readonly number[], probed: number): string {
  const members = ports.map((port) => `server 127.0.0.1:${port} max_fails=0;`).join(" ");
  return `
  keepalive_timeout 0;
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  upstream nodes { ${members} keepalive 16; }
  upstream probed { server 127.0.0.1:${probed} max_fails=0; }`;
}

const LOCATIONS = `
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_next_upstream off;
    location = /probe { proxy_pass http://probed/readyz; }
    location / { proxy_pass http://nodes; }`;

async function startNode(name: string): Promise<{ hub: Hub; server: Server }> {
  const hub = new Hub({ logger: silentLogger });
  const server = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    path: "/ws",
    health: true,
    session: () => ({ onConnect: (client) => void client.emit(name) }),
    fetch: async (request) => new Response(`${name} ${await request.text()}`),
  });
  return { hub, server };
}

/** The states that a probe shows from now on, each once; "gone" when nothing answers it any more. */
function watchProbe(nginx: Nginx): { readonly seen: string[]; stop(): Promise<void> } {
  const seen: string[] = [];
  let going = true;
  const watching = (async () => {
    while (going) {
      const response = await fetch(`http://127.0.0.1:${nginx.port}/probe`);
      const text = await response.text();
      const state = response.status === 502 ? "gone" : (JSON.parse(text) as Readiness).status;
      assert.equal(response.status, { ready: 200, gone: 502 }[state as string] ?? 503, text);
      if (state !== "closed" && seen.at(-1) !== state) seen.push(state);
    }
  })();
  return {
    seen,
    async stop() {
      going = false;
      await watching;
    },
  };
}

/** Requests one after another until it is stopped, several at a time; counts the answers by node, and keeps what went wrong. */
function load(nginx: Nginx): { readonly by: Map<string, number>; readonly lost: string[]; stop(): Promise<void> } {
  const by = new Map<string, number>();
  const lost: string[] = [];
  let going = true;
  const one = async (number: string, init: RequestInit): Promise<void> => {
    try {
      const response = await fetch(`http://127.0.0.1:${nginx.port}/hello`, init);
      const [node = "", body] = (await response.text()).split(" ");
      if (response.status !== 200 || body !== (init.body ?? "")) lost.push(`${number}: ${response.status}`);
      by.set(node, (by.get(node) ?? 0) + 1);
    } catch (error) {
      lost.push(`${number}: ${String(error)}`);
    }
  };
  const line = async (index: number): Promise<void> => {
    for (let round = 0; going; round++) {
      const number = `${index}/${round}`;
      await one(number, round % 2 === 0 ? {} : { method: "POST", body: number });
    }
  };
  const lines = Array.from({ length: 4 }, (_, index) => line(index));
  return {
    by,
    lost,
    async stop() {
      going = false;
      await Promise.all(lines);
    },
  };
}

/** Opens a client through nginx; resolves with it and the name of its node. */
async function enter(nginx: Nginx): Promise<{ client: TestClient; node: string }> {
  const client = await TestClient.open(`ws://127.0.0.1:${nginx.port}/ws`);
  return { client, node: String(await client.next()) };
}

/** Opens clients through nginx, which takes turns among all its requests, until so many are on the node. Resolves with those. */
async function enterUntil(nginx: Nginx, wanted: string, count: number): Promise<TestClient[]> {
  const there: TestClient[] = [];
  for (let tries = 0; there.length < count; tries++) {
    assert.ok(tries < 20 * count, `nginx sends nobody to the node that is ${wanted}`);
    const { client, node } = await enter(nginx);
    if (node === wanted) there.push(client);
  }
  return there;
}

test("health: a balancer that reads /readyz takes a node out while it is announced, and no request is lost in the drain", async () => {
  const [leaving, staying] = [await startNode("leaving"), await startNode("staying")];
  const { port } = leaving.server;
  const nginx = await startNginx(upstreams([port, staying.server.port], port), LOCATIONS);
  const [probe, requests] = [watchProbe(nginx), load(nginx)];
  try {
    await until(
      "requests on both",
      () => (requests.by.get("leaving") ?? 0) > 20 && (requests.by.get("staying") ?? 0) > 20,
    );
    await until("the probe", () => probe.seen.includes("ready"));
    const moving = await enterUntil(nginx, "leaving", 6);
    const closed = leaving.hub.close({ announceMs: ANNOUNCE_MS, drainMs: 600 });
    await until("the announcement", () => probe.seen.includes("announced"));
    const before = requests.by.get("leaving") ?? 0;
    moving.push(...await enterUntil(nginx, "leaving", 1));
    await until("the node to serve on", () => (requests.by.get("leaving") ?? 0) > before + 5);
    await nginx.reload(upstreams([staying.server.port], port));
    assert.equal(leaving.hub.readiness.status, "announced", "the balancer was too slow for this announceMs");
    for (const client of moving) {
      assert.equal((await client.closed()).code, 1012);
      const again = await enter(nginx);
      assert.equal(again.node, "staying");
      await again.client.close();
    }
    await closed;
    await until("the port to be closed", () => probe.seen.includes("gone"));
    const served = requests.by.get("staying") ?? 0;
    await until("requests on the other", () => (requests.by.get("staying") ?? 0) > served + 20);
    await requests.stop();
    assert.deepEqual(requests.lost, []);
    assert.deepEqual(probe.seen, ["ready", "announced", "draining", "gone"]);
  } finally {
    await Promise.all([requests.stop(), probe.stop()]);
    await Promise.all([leaving.hub.close(), staying.hub.close()]);
    await nginx.close();
  }
});

// ---- degraded ----

test("health: a node whose redis-server was stopped says so, with the time and without the password, until it is back", async () => {
  const port = await freePort();
  const password = ["--requirepass", CANARY];
  let redis = await startRedisServer(password, port, CANARY);
  const hub = new DistHub({
    storage: new RedisStorage(`redis://:${CANARY}@127.0.0.1:${port}`),
    secret: `${CANARY} and more than thirty-two bytes of it`,
    leaseMs: LEASE_MS,
    logger: silentLogger,
  });
  const server = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    path: "/ws",
    health: true,
    session: () => ({}),
    rpc: { hostname: "127.0.0.1" },
  });
  try {
    const ready = await readyz(server);
    assert.deepEqual([ready.status, ready.body.status], [200, "ready"]);
    const stoppedAt = Date.now();
    await redis.stop();
    await until("not to be ready", async () => (await readyz(server)).status === 503);
    const { body, text } = await readyz(server);
    assert.deepEqual([body.ready, body.status], [false, "degraded"]);
    assert.match(body.reason ?? "", new RegExp(`storage.*127\\.0\\.0\\.1:${port}`));
    assert.ok(Date.parse(body.since) >= stoppedAt && Date.parse(body.since) <= Date.now(), body.since);
    assert.doesNotMatch(text, new RegExp(CANARY));
    assert.equal((await fetch(`${server.url}/livez`)).status, 200);
    redis = await startRedisServer(password, port, CANARY);
    await until("to be ready again", async () => (await readyz(server)).status === 200);
    assert.ok(Date.parse((await readyz(server)).body.since) > Date.parse(body.since));
  } finally {
    await hub.close();
    await redis.stop();
  }
});

test("health: a node whose address leads to a newer one says which, also after its storage failed meanwhile", async () => {
  const storage = new MemoryStorage();
  let failing = false;
  const away = new MeshError("unavailable", "the storage is away");
  /** The same storage, which does not answer while it is failing. */
  const flaky = new Proxy(storage, {
    get(target, name: keyof MemoryStorage) {
      const method: unknown = target[name];
      if (typeof method !== "function") return method;
      return (...args: unknown[]): unknown => failing ? Promise.reject(away) : Reflect.apply(method, target, args);
    },
  });
  const proxy = await TcpProxy.open();
  const hubs: DistHub[] = [];
  const start = async (own: MemoryStorage): Promise<Server> => {
    const hub = new DistHub({ storage: own, leaseMs: LEASE_MS, logger: silentLogger });
    hubs.push(hub);
    const port = await freePort();
    proxy.target(port);
    const rpc = { hostname: "127.0.0.1", port, advertise: proxy.host };
    return await serve(hub, { port: 0, hostname: "127.0.0.1", health: true, session: () => ({}), rpc });
  };
  try {
    const older = await start(flaky);
    const newer = await start(storage);
    await until("the older one not to be ready", async () => (await readyz(older)).body.status === "degraded");
    await until("the line", async () => (await readyz(older)).body.reason?.includes("leads to another node") ?? false);
    const { status, body } = await readyz(older);
    assert.deepEqual([status, body.reason], [
      503,
      `advertise ${proxy.host} leads to another node: give each node its own`,
    ]);
    failing = true;
    await until("the storage to be named", async () => (await readyz(older)).body.reason === away.message);
    failing = false;
    await until("the line again", async () => (await readyz(older)).body.reason === body.reason);
    assert.equal((await readyz(older)).body.since, body.since);
    await until("the newer one to be ready", async () => (await readyz(newer)).status === 200);
  } finally {
    await Promise.all(hubs.map((hub) => hub.close()));
    await proxy.close();
  }
});
