/** Redis over TCP with TLS: a server whose certificate signs itself. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RedisStorage, type RedisTcpConfig } from "../../src/storage/redis/redis.ts";
import { selfSigned } from "../kit/certificate.ts";
import { freePort } from "../kit/free-port.ts";
import { startRedisServer } from "../kit/redis.ts";
import { A, claim, entryOf, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";

const folder = mkdtempSync(join(tmpdir(), "meshsocket-redis-tls-"));
const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
const { cert: ca, key: secretKey } = selfSigned();
writeFileSync(cert, ca);
writeFileSync(key, secretKey);
const tlsPort = await freePort();
const redis = await startRedisServer([
  ...["--tls-port", String(tlsPort), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no"],
  ...["--user", "node", "on", ">pass", "~*", "+@all"],
]);

after(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

const url = `rediss://127.0.0.1:${tlsPort}`;

function newStorage(config: Partial<RedisTcpConfig>): RedisStorage {
  return new RedisStorage({ url, ...config }, "tls", { timeoutMs: 5_000 });
}

test("a rediss:// URL with the server's authority works, by address and by name", async () => {
  for (const host of ["127.0.0.1", "localhost"]) {
    const storage = newStorage({ url: `rediss://${host}:${tlsPort}`, socket: { ca } });
    const a = await livingHolder(storage, A);
    const entry = await claim(storage, "alice", a);
    assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
    assert.deepEqual(await storage.check(), []);
    await storage.leave(a);
    await storage.close();
  }
});

test("a user and a password go over TLS", async () => {
  const storage = newStorage({ username: "node", password: "pass", socket: { ca } });
  await storage.renew(newHolder(A), LONG_MS);
  await storage.close();
});

test("a certificate of an unknown authority is refused, and the error says so", async () => {
  const storage = newStorage({});
  await assert.rejects(storage.renew(newHolder(A), LONG_MS), (error: Error) => {
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${tlsPort}`));
    assert.match(`${error.message} ${String(error.cause)}`, /certificate|self[- ]signed|UnknownIssuer|issuer/i);
    return withCode("unavailable")(error);
  });
  const [finding] = await storage.check();
  assert.match(finding?.text ?? "", new RegExp(`127\\.0\\.0\\.1:${tlsPort}`));
  await storage.close();
});

test("a redis:// URL at a port of TLS rejects and names the host", async () => {
  const storage = newStorage({ url: `redis://127.0.0.1:${tlsPort}` });
  await assert.rejects(storage.renew(newHolder(A), LONG_MS), (error: Error) => {
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${tlsPort}`));
    return withCode("unavailable")(error);
  });
  await storage.close();
});
