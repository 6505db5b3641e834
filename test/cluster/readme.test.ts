import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Hub } from "../../src/hub/hub.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { TestClient } from "../kit/client.ts";
import { startRedisServer } from "../kit/redis.ts";
import { runtime } from "../kit/runtime.ts";

const root = new URL("../../", import.meta.url);
const blocks = [...readFileSync(new URL("README.md", root), "utf8").matchAll(/```(?:js|ts)\n([^]*?)```/g)].map((
  [, code],
) => code);

/** A block of the README, on this runtime, from these sources and on a free port. */
async function run(code: string): Promise<{ hub: Hub; server: Server }> {
  const local = code
    .replace("// or meshsocket/bun, meshsocket/deno: the same", "")
    .replace('"meshsocket"', JSON.stringify(new URL("src/index.ts", root).href))
    .replace('"meshsocket/node"', JSON.stringify(new URL(`adapters/${runtime}.ts`, root).href))
    .replace('"meshsocket/redis"', JSON.stringify(new URL("src/storage/redis/redis.ts", root).href))
    .replace("port: 8080", 'port: 0, hostname: "127.0.0.1"')
    .replace(/^console\.log.*$/m, "");
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-readme-"));
  try {
    const file = join(folder, "snippet.ts");
    writeFileSync(file, `${local}\nexport { hub, server };\n`);
    return (await import(pathToFileURL(file).href)) as { hub: Hub; server: Server };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("README: the hello runs word for word", async () => {
  const { server } = await run(blocks[0] ?? "");
  const url = server.url.replace("http", "ws");
  const alice = await TestClient.open(`${url}/?name=alice`);
  const bob = await TestClient.open(`${url}/?name=bob`);
  assert.equal(await alice.next(), "welcome alice");
  assert.equal(await bob.next(), "welcome bob");
  alice.send("hello");
  assert.equal(await bob.next(), "hello");
  await Promise.all([server.close(), alice.closed(), bob.closed()]);
});

test("README: the hello becomes a node of a cluster by changing its hub", async () => {
  const redis = await startRedisServer();
  const secret = "a secret of at least thirty-two bytes";
  const changed = (blocks[1] ?? "")
    .replace("process.env.MESHSOCKET_SECRET", JSON.stringify(secret))
    .replace("redis://127.0.0.1:6379", `redis://127.0.0.1:${redis.port}`);
  const imports = changed.match(/^import .*$/gm)?.join("\n") ?? "";
  const hubLine = changed.match(/^const hub = .*$/m)?.[0] ?? "";
  const hello = (blocks[0] ?? "")
    .replace('import { Hub } from "meshsocket";', imports)
    .replace("const hub = new Hub();", hubLine)
    .replace("port: 8080,", 'port: 8080, rpc: { hostname: "127.0.0.1" },');
  const [a, b] = [await run(hello), await run(hello)];
  const alice = await TestClient.open(`${b.server.url.replace("http", "ws")}/?name=alice`);
  assert.equal(await alice.next(), "welcome alice");
  assert.equal(await a.hub.emit("alice", "from the other node"), true);
  assert.equal(await alice.next(), "from the other node");
  await Promise.all([a.server.close(), b.server.close(), alice.closed()]);
  await redis.stop();
});
