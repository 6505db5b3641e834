/** Bad options of everything that is made or minted: a typed error with a stable code, and never anything else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DistClientOptions } from "../../src/distributed/client-options.ts";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import type { DistHubOptions } from "../../src/distributed/dist-hub-options.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { RedisStorage, type RedisStorageOptions } from "../../src/storage/redis/redis.ts";
import { createToken, type CreateTokenOptions } from "../../src/rpc/token.ts";
import { any, assertAllInvalid, each } from "../kit/invalid.ts";

const BAD_HUB_OPTIONS: readonly unknown[] = [
  null,
  5,
  { limits: { maxClients: 5 } },
  { limits: { maxIdBytes: 0 } },
  { limits: { maxIdBytes: NaN } },
  { limits: { timeoutMs: "1" } },
  { limits: { __proto__: null, toString: 5 } },
  { limits: 5 },
  { duplicateIds: "newer" },
  { logger: 5 },
  { logger: { error() {} } },
  { topics: [{ match: "a", compress: 5 }] },
  { compress: 1_024 },
  { compress: null },
  { compress: "yes" },
  { compress: { threshold: 5 } },
  { compress: { minBytes: 0 } },
  { compress: { minBytes: "1024" } },
  { compress: { minBytes: 300_000 } },
];

test("bad options of a hub throw invalid_argument", async () => {
  await assertAllInvalid(each(BAD_HUB_OPTIONS, "Hub with", (options) => new Hub(options as HubOptions)));
  const storage = new MemoryStorage();
  const dist: unknown[] = [
    undefined,
    {},
    { storage: 5 },
    { storage: {} },
    { storage, leaseMs: 0 },
    { storage, leaseMs: NaN },
    { storage, leaseMs: "15000" },
    { storage, leaseMs: Infinity },
    { storage, secret: "" },
    { storage, secret: [] },
    { storage, secret: 5 },
    { storage, secret: null },
    { storage, secret: ["good", ""] },
    ...BAD_HUB_OPTIONS.filter((options) => typeof options === "object" && options !== null).map((options) => ({
      storage,
      ...options,
    })),
  ];
  await assertAllInvalid(each(dist, "DistHub with", (options) => new DistHub(options as DistHubOptions)));
});

test("bad arguments to the other calls of a hub throw or reject with invalid_argument", async () => {
  await using hub = new Hub({ logger: silentLogger });
  await assertAllInvalid([
    ["on of an unknown event", () => hub.on(any("message"), () => {})],
    ["on of a name that every object has", () => hub.on(any("toString"), () => {})],
    ["on without a listener", () => hub.on("ready", any(undefined))],
    ["onClose without a function", () => hub.onClose(any(5))],
    ["close with a drain that is no number", () => hub.close({ drainMs: any("1") })],
    ["close with an announcement that is no number", () => hub.close({ announceMs: any("1") })],
    ["close with an announcement before now", () => hub.close({ announceMs: -1 })],
    ["close with a drain before now", () => hub.close({ drainMs: -1 })],
    ["close with options that are none", () => hub.close(any(5))],
  ]);
  assert.equal(hub.status, "ready");
});

test("bad options of a DistClient throw invalid_argument", async () => {
  const storage = new MemoryStorage();
  const bad: unknown[] = [
    undefined,
    null,
    {},
    { url: "" },
    { url: "127.0.0.1:8081" },
    { url: "ftp://127.0.0.1" },
    { url: "http://user:pass@127.0.0.1" },
    { url: "http://127.0.0.1/?query" },
    { url: 5 },
    { url: "http://127.0.0.1", storage },
    { url: "http://127.0.0.1", token: 5 },
    { url: "http://127.0.0.1", token: null },
    { url: "http://127.0.0.1", fetch: "fetch" },
    { storage: 5 },
    { storage: {} },
    { storage, secret: "" },
    { storage, secret: 5 },
    { storage, transport: 5 },
    { storage, fetch: 5 },
    { storage, limits: { nope: 1 } },
  ];
  await assertAllInvalid(each(bad, "DistClient with", (options) => new DistClient(options as DistClientOptions)));
});

test("bad arguments to createToken reject with invalid_argument", async () => {
  const good = { secret: "secret", audience: "cluster" };
  const bad: unknown[] = [
    undefined,
    null,
    {},
    { ...good, secret: "" },
    { ...good, secret: 5 },
    { ...good, secret: [] },
    { ...good, secret: ["", "b"] },
    { ...good, audience: "" },
    { ...good, audience: undefined },
    { ...good, ttlMs: 0 },
    { ...good, ttlMs: -5 },
    { ...good, ttlMs: NaN },
    { ...good, ttlMs: Infinity },
    { ...good, ttlMs: "5" },
  ];
  await assertAllInvalid(each(bad, "createToken with", (options) => createToken(options as CreateTokenOptions)));
});

test("bad arguments to a RedisStorage throw invalid_argument", async () => {
  const good = { url: "http://127.0.0.1:9", token: "token" };
  const configs: unknown[] = [
    undefined,
    null,
    5,
    {},
    { ...good, url: "" },
    { ...good, url: "redis://127.0.0.1" },
    { ...good, url: 5 },
    { ...good, token: "" },
    { ...good, token: "two words" },
    { ...good, token: 5 },
  ];
  const options: unknown[] = [
    5,
    null,
    { timeoutMs: 0 },
    { timeoutMs: "1" },
    { timeoutMs: NaN },
    { orphanAfterMs: -1 },
    { orphanAfterMs: "x" },
  ];
  await assertAllInvalid([
    ...each(configs, "RedisStorage with", (config) => new RedisStorage(any(config))),
    ...each(
      ["", "a{b}", 5, null, "\ud800"],
      "RedisStorage with prefix",
      (prefix) => new RedisStorage(good, any(prefix)),
    ),
    ...each(options, "RedisStorage with options", (one) => new RedisStorage(good, "p", one as RedisStorageOptions)),
  ]);
});
