/** An etcd that cannot hold a cluster: what its storage finds, and what it says to change. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import { canCheck, type StorageFinding } from "../../src/storage/storage.ts";
import { startEtcd, type TestEtcd } from "../kit/etcd.ts";
import { freePort } from "../kit/free-port.ts";
import { serveNode, type TestServer } from "../kit/servers.ts";
import { CANARY } from "../kit/silent.ts";
import { A, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";

let etcd: TestEtcd;
let endpoint = "";

before(async () => {
  etcd = await startEtcd();
  endpoint = etcd.endpoints[0] ?? "";
});

after(async () => {
  await etcd.stop();
});

/** Fails unless the storage finds one fault, with this text and this fix, and its calls reject with the same. */
async function finds(storage: EtcdStorage, text: RegExp, fix: RegExp): Promise<void> {
  const findings: StorageFinding[] = await storage.check();
  assert.equal(findings.length, 1);
  const [found] = findings;
  assert.match(found?.text ?? "", text);
  assert.match(found?.fix ?? "", fix);
  assert.ok(!JSON.stringify(findings).includes(CANARY));
  await assert.rejects(storage.renew(newHolder(A), LONG_MS), (error: Error) => {
    assert.match(error.message, text);
    return withCode("unavailable")(error);
  });
  await storage.close();
}

/** A web server that is not etcd. */
async function serveText(body: string, status = 200): Promise<TestServer> {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  server.listen(0, "127.0.0.1");
  return await serveNode(server);
}

test("an etcd that serves has no finding, and checking it writes nothing", async () => {
  const storage = new EtcdStorage({ endpoints: endpoint }, "fine");
  assert.ok(canCheck(storage));
  assert.deepEqual(await storage.check(), []);
  assert.deepEqual(await etcd.keys(), []);
  const a = await livingHolder(storage, A);
  const keys = await etcd.keys();
  assert.deepEqual(await storage.check(), []);
  assert.deepEqual(await etcd.keys(), keys);
  await storage.leave(a);
  await assert.rejects(storage.check({ signal: AbortSignal.abort() }), withCode("canceled"));
  await storage.close();
  await assert.rejects(storage.check(), withCode("failed_precondition"));
});

test("an address at which nothing listens is named", async () => {
  const endpoints = `http://127.0.0.1:${await freePort()}`;
  const { host } = new URL(endpoints);
  await finds(new EtcdStorage({ endpoints }), new RegExp(`cannot be reached at ${host}`), /is etcd running there/);
});

test("another product's page, or its JSON, is not taken for an etcd", async () => {
  const answers: readonly (readonly [body: string, status: number, text: RegExp, fix: RegExp])[] = [
    ["<!doctype html><title>Welcome</title>", 200, /no etcd answers at HOST/, /client address of an etcd/],
    ["<html>Not Found</html>", 404, /no etcd answers at HOST/, /client address of an etcd/],
    ['{"message":"no Route matched"}', 404, /something unexpected/, /is HOST an etcd/],
    ['{"ok":true}', 200, /something unexpected/, /client address of an etcd/],
    ["[]", 200, /something unexpected/, /etcd/],
  ];
  for (const [body, status, text, fix] of answers) {
    const server = await serveText(body, status);
    const host = `127.0.0.1:${server.port}`;
    const named = (pattern: RegExp): RegExp => new RegExp(pattern.source.replace("HOST", host));
    await finds(new EtcdStorage({ endpoints: `http://${host}` }), named(text), named(fix));
    await server.stop();
  }
});

test("an etcd whose alarm says that no space is left is called full, with the way out", async () => {
  const { members } = await etcd.call("/v3/cluster/member/list", {}) as { members?: { ID: string }[] };
  const alarm = { memberID: members?.[0]?.ID, alarm: "NOSPACE" };
  await etcd.call("/v3/maintenance/alarm", { action: "ACTIVATE", ...alarm });
  const { host } = new URL(endpoint);
  await finds(new EtcdStorage({ endpoints: endpoint }), new RegExp(`${host} is full`), /defragment it, then disarm/);
  await etcd.call("/v3/maintenance/alarm", { action: "DEACTIVATE", ...alarm });
  assert.deepEqual(await new EtcdStorage({ endpoints: endpoint }).check(), []);
});

test("a user that may only read the prefix, one with a wrong password, and nobody at all are told apart", async () => {
  const own = await startEtcd();
  try {
    await own.call("/v3/auth/user/add", { name: "root", password: "root" });
    await own.call("/v3/auth/role/add", { name: "root" });
    await own.call("/v3/auth/user/grant", { user: "root", role: "root" });
    await own.call("/v3/auth/user/add", { name: "reader", password: "pass" });
    await own.call("/v3/auth/role/add", { name: "reader" });
    const range = { key: btoa("websocket"), range_end: btoa("websockeu") };
    await own.call("/v3/auth/role/grant", { name: "reader", perm: { permType: "READ", ...range } });
    await own.call("/v3/auth/user/grant", { user: "reader", role: "reader" });
    await own.call("/v3/auth/enable", {});
    const { endpoints } = own;
    const [reader, wrong] = [{ username: "reader", password: "pass" }, { username: "reader", password: CANARY }];
    await finds(new EtcdStorage({ endpoints, ...reader }), /did not permit that to this user/, /readwrite on the keys/);
    await finds(new EtcdStorage({ endpoints, ...wrong }), /refused the user or the password/, /users of the etcd at/);
    await finds(new EtcdStorage({ endpoints }), /refused the user or the password/, /users of the etcd at/);
  } finally {
    await own.stop();
  }
});
