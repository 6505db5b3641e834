/** The package as npm packs it, in an empty project that has its dependencies but not the optional package redis. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { installPacked, type PackedPackage, succeeds } from "../kit/packed-package.ts";
import { killPrograms, startFile } from "../kit/program.ts";
import { startRedisServer, type TestRedisServer } from "../kit/redis.ts";
import { runtime } from "../kit/runtime.ts";

let redis: TestRedisServer;
let installed: PackedPackage;

before(async () => {
  redis = await startRedisServer();
  installed = await installPacked();
});

after(async () => {
  await killPrograms();
  await redis.stop();
  installed.remove();
});

const DASHBOARD_KEY = "a-key-of-the-cluster-of-more-than-32-bytes";
const ENV = { MESHSOCKET_REDIS_TOKEN: "a-token-of-these-tests" };

test("npx runs the packed command, which says how to install what is missing and then serves", async () => {
  const { project, main } = installed;
  assert.match(await succeeds("npx", ["--no-install", "meshsocket", "--help"], project), /redis-endpoint {3}\w/);
  const args = ["redis-endpoint", "--redis", `redis://127.0.0.1:${redis.port}`, "--port", "0"];
  const without = startFile(runtime, main, { args, env: ENV });
  assert.equal(await without.ended, 1);
  assert.match(without.output, /^meshsocket: the package redis is missing: npm install redis[^\n]*\n$/);

  const script = join(project, "script.mjs");
  writeFileSync(
    script,
    `import { RedisStorage } from "meshsocket/redis";
     await new RedisStorage("redis://127.0.0.1:${redis.port}").living().then(
       (living) => console.log("living", living.length),
       (error) => console.log(error.code, error.message),
     );`,
  );
  const needy = startFile(runtime, script);
  assert.equal(await needy.ended, 0);
  assert.match(needy.output, /^failed_precondition Redis over TCP needs the package redis: run npm install redis/);

  for (const dependency of ["redis", "@redis/client"]) installed.link(dependency);
  const endpoint = startFile(runtime, main, { args, env: ENV });
  const [, url = ""] = await endpoint.match(/on (http:\S+)/);
  const health = await fetch(`${url}/health`);
  assert.equal(await health.text(), "ok\n");
  endpoint.kill("SIGTERM");
  assert.equal(await endpoint.ended, 0);
  const fed = startFile(runtime, script);
  assert.equal(await fed.ended, 0);
  assert.equal(fed.output, "living 0\n");
});

test("an application of the packed package serves the dashboard, with all of its files", async () => {
  const app = join(installed.project, "app.mjs");
  writeFileSync(
    app,
    `import { DistHub, MemoryStorage } from "meshsocket";
     import { serve } from "meshsocket/${runtime}";
     const apiKeys = [{ secret: "${DASHBOARD_KEY}", rights: ["read"] }];
     const hub = new DistHub({ storage: new MemoryStorage(), secret: "s".repeat(32), apiKeys });
     const options = { port: 0, hostname: "127.0.0.1", rpc: { hostname: "127.0.0.1" }, session: () => ({}) };
     const { url } = await serve(hub, { ...options, path: "/ws", dashboard: "/dashboard" });
     console.log("serving", url);`,
  );
  const program = startFile(runtime, app);
  const [, url = ""] = await program.match(/serving (http:\S+)/);
  const page = await (await fetch(`${url}/dashboard/`)).text();
  const files = [...page.matchAll(/(?:src|href)="([\w-]+\.\w+)"/g)].map(([, name = ""]) => name);
  assert.equal(files.length, 4);
  for (const name of files) {
    const file = await fetch(`${url}/dashboard/${name}`);
    assert.equal(file.status, 200, await file.text());
  }
  const headers = { authorization: `Bearer ${DASHBOARD_KEY}` };
  const { nodes } = await (await fetch(`${url}/dashboard/api/state`, { headers })).json() as {
    nodes: { state: { status: string } }[];
  };
  assert.deepEqual(nodes.map(({ state }) => state.status), ["ready"]);
  program.kill("SIGKILL");
  await program.ended;
});
