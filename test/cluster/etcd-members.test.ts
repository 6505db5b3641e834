import assert from "node:assert/strict";
import { after, test } from "node:test";
import { EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { startEtcd, type TestEtcd } from "../kit/etcd.ts";
import { CANARY, fails } from "../kit/silent.ts";
import { A, B, claim, entryOf, listed, livingHolder, LONG_MS, newHolder } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

const started: TestEtcd[] = [];

after(async () => {
  await Promise.all(started.map((etcd) => etcd.stop()));
});

async function start(size: 1 | 3): Promise<TestEtcd> {
  const etcd = await startEtcd(size);
  started.push(etcd);
  return etcd;
}

/** Every kind of call, each of which must succeed. */
async function useAll(storage: Storage, id: string): Promise<void> {
  const a = await livingHolder(storage, A);
  const entry = await claim(storage, id, a);
  assert.deepEqual(await storage.get([id]), [entryOf(entry)]);
  assert.deepEqual(await listed(storage), [entry]);
  await storage.subscribe("news", a);
  assert.deepEqual(await storage.subscribers("news"), [a]);
  assert.equal((await storage.renew(a, LONG_MS)).lapsed, false);
  assert.deepEqual(await storage.del([entry]), [true]);
  await storage.leave(a);
}

test("when a member of three is killed or paused every call goes on at another, and claims stay what they were", async () => {
  const { endpoints, members } = await start(3);
  const storage = new EtcdStorage({ endpoints, timeoutMs: 3_000 });
  const b = await livingHolder(storage, B);
  const held = await claim(storage, "held", b);
  await members[0]?.kill();
  const [claimed] = await storage.set(["bob"], b);
  assert.ok(claimed?.claim && claimed.claim > held.claim);
  assert.equal((await storage.renew(b, LONG_MS)).lapsed, false);
  assert.deepEqual(await storage.get(["held", "bob"]), [entryOf(held), { ...b, claim: claimed.claim }]);
  await storage.leave(b);
  await useAll(storage, "alice");
  // Without a majority nothing can be promised.
  members[1]?.pause();
  await fails(new EtcdStorage({ endpoints, timeoutMs: 400 }).set([CANARY], newHolder(A)));
  members[1]?.resume();
  await until("the majority to be back", () => storage.living().then(() => true, () => false));
  await useAll(storage, "carol");
});

test("a claim under way when its member is killed is settled at another member", async () => {
  const { endpoints, members } = await start(3);
  let victim = "";
  const storage = new EtcdStorage({
    endpoints,
    timeoutMs: 3_000,
    async fetch(url, init) {
      const response = await fetch(url, init);
      if (victim === "" || !url.startsWith(victim) || !init.body.includes('"MOD"')) return response;
      victim = "";
      await response.body?.cancel();
      await members.find((member) => url.startsWith(member.url))?.kill();
      throw new TypeError("the answer is lost");
    },
  });
  const b = await livingHolder(storage, B);
  const old = await claim(storage, "alice", b);
  const a = await livingHolder(storage, A);
  await claim(storage, "warm", a);
  victim = endpoints[0] ?? "";
  const [claimed] = await storage.set(["alice"], a);
  assert.deepEqual(claimed?.previous, entryOf(old));
  assert.deepEqual(await storage.get(["alice"]), [{ ...a, claim: claimed.claim }]);
});

test("with authentication on a user with a role for the prefix can do everything, and nobody else anything", async () => {
  const etcd = await start(1);
  await enableAuth(etcd, "websocket");
  const { endpoints } = etcd;
  await useAll(new EtcdStorage({ endpoints, username: "node", password: "pass" }), "alice");
  const refused = [
    new EtcdStorage({ endpoints, username: "node", password: CANARY }),
    new EtcdStorage({ endpoints, username: CANARY, password: "pass" }),
    new EtcdStorage({ endpoints }),
  ];
  for (const storage of refused) {
    await assert.rejects(storage.living(), /refused the user or the password/);
    await fails(storage.renew(newHolder(A), LONG_MS));
  }
  const elsewhere = new EtcdStorage({ endpoints, username: "node", password: "pass" }, "elsewhere");
  await assert.rejects(elsewhere.living(), /did not permit/);
});

test("a token that is no longer good is replaced, and the call goes on", async () => {
  const etcd = await start(1);
  await enableAuth(etcd, "websocket");
  const paths: string[] = [];
  let spoil = false;
  const storage = new EtcdStorage({
    endpoints: etcd.endpoints,
    username: "node",
    password: "pass",
    fetch(url, init) {
      paths.push(new URL(url).pathname);
      if (spoil) init.headers = { ...init.headers, authorization: "spoiled.1" };
      spoil = false;
      return fetch(url, init);
    },
  });
  const a = await livingHolder(storage, A);
  await claim(storage, "warm", a);
  paths.length = 0;
  spoil = true;
  const entry = await claim(storage, "alice", a);
  assert.deepEqual(paths, ["/v3/kv/txn", "/v3/auth/authenticate", "/v3/kv/txn"]);
  assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
  assert.equal(paths.length, 4);
});

async function enableAuth(etcd: TestEtcd, prefix: string): Promise<void> {
  const range = { key: btoa(prefix), range_end: btoa(prefix.slice(0, -1) + "u") };
  await etcd.call("/v3/auth/user/add", { name: "root", password: "root" });
  await etcd.call("/v3/auth/role/add", { name: "root" });
  await etcd.call("/v3/auth/user/grant", { user: "root", role: "root" });
  await etcd.call("/v3/auth/user/add", { name: "node", password: "pass" });
  await etcd.call("/v3/auth/role/add", { name: "node" });
  await etcd.call("/v3/auth/role/grant", { name: "node", perm: { permType: "READWRITE", ...range } });
  await etcd.call("/v3/auth/user/grant", { user: "node", role: "node" });
  await etcd.call("/v3/auth/enable", {});
}
