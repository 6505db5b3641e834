/** The package as npm packs it, in an empty project that has its dependencies but not the optional package redis. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { root, run } from "../../tools/run.ts";
import { killPrograms, startFile } from "../kit/program.ts";
import { startRedisServer, type TestRedisServer } from "../kit/redis.ts";
import { runtime } from "../kit/runtime.ts";

const folder = mkdtempSync(join(tmpdir(), "meshsocket-cli-"));
const modules = join(folder, "project", "node_modules");
const main = join(modules, "meshsocket", "dist", "cli", "main.js");

let redis: TestRedisServer;

before(async () => {
  redis = await startRedisServer();
  await install();
});

after(async () => {
  await killPrograms();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function succeeds(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, output } = await run(command, args, { cwd });
  assert.equal(code, 0, output);
  return output;
}

/** Builds, packs and unpacks as `npm install` of the tarball does, with nothing from a network. */
async function install(): Promise<void> {
  const source = join(folder, "source");
  mkdirSync(source);
  await succeeds("tsc", ["-p", "tsconfig.build.json", "--outDir", join(source, "dist")], root);
  const manifest = readFileSync(join(root, "package.json"), "utf8");
  writeFileSync(join(source, "package.json"), manifest);
  for (const name of ["README.md", "LICENSE"]) copyFileSync(join(root, name), join(source, name));
  cpSync(join(root, "proto"), join(source, "proto"), { recursive: true });
  await succeeds("npm", ["pack", "--ignore-scripts", "--offline", "--pack-destination", folder], source);
  const { name, version, dependencies, bin } = JSON.parse(manifest) as {
    name: string;
    version: string;
    dependencies: Record<string, string>;
    bin: Record<string, string>;
  };
  mkdirSync(join(modules, name), { recursive: true });
  await succeeds("tar", [
    "-xzf",
    join(folder, `${name}-${version}.tgz`),
    "-C",
    join(modules, name),
    "--strip-components=1",
  ], root);
  for (const dependency of Object.keys(dependencies)) link(dependency);
  mkdirSync(join(modules, ".bin"));
  for (const [command, path] of Object.entries(bin)) {
    chmodSync(join(modules, name, path), 0o755);
    symlinkSync(join("..", name, path), join(modules, ".bin", command));
  }
  writeFileSync(join(folder, "project", "package.json"), "{}");
}

function link(dependency: string): void {
  mkdirSync(dirname(join(modules, dependency)), { recursive: true });
  symlinkSync(join(root, "node_modules", dependency), join(modules, dependency));
}

const ENV = { MESHSOCKET_REDIS_TOKEN: "a-token-of-these-tests" };

test("npx runs the packed command, which says how to install what is missing and then serves", async () => {
  const project = join(folder, "project");
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

  for (const dependency of ["redis", "@redis/client"]) link(dependency);
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
