import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import { TestClient } from "../kit/client.ts";
import { startEtcd, type TestEtcd } from "../kit/etcd.ts";
import { loadServe } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

const serve = await loadServe();
let etcd: TestEtcd;

before(async () => {
  etcd = await startEtcd();
});

after(async () => {
  await etcd.stop();
});

/** Two hubs over one etcd, with a client at each: "a" and "b", both on the topic "news". */
async function withHubs(
  prefix: string,
  run: (hubs: [DistHub, DistHub], clients: [TestClient, TestClient]) => Promise<void>,
): Promise<void> {
  const servers: Server[] = [];
  const hubs: DistHub[] = [];
  try {
    for (let index = 0; index < 2; index++) {
      const storage = new EtcdStorage({ endpoints: etcd.endpoints, timeoutMs: 3_000 }, prefix);
      const hub = new DistHub({ storage, leaseMs: 2_000, logger: silentLogger });
      hubs.push(hub);
      servers.push(
        await serve(hub, {
          port: 0,
          hostname: "127.0.0.1",
          rpc: { hostname: "127.0.0.1" },
          session: (request) => ({
            id: new URL(request.url).searchParams.get("id") ?? undefined,
            onConnect: (client) => client.subscribe("news").then(() => void client.emit("ready")),
          }),
        }),
      );
    }
    const clients = await Promise.all(["a", "b"].map(async (id, index) => {
      const client = await TestClient.open(`${servers[index]?.url.replace("http", "ws")}/?id=${id}`);
      assert.equal(await client.next(), "ready");
      return client;
    }));
    await run(hubs as [DistHub, DistHub], clients as [TestClient, TestClient]);
  } finally {
    await Promise.all(servers.map((server) => server.close()));
  }
}

test("two hubs over etcd reach each other's clients by id, by topic and all at once, and leave nothing behind", async () => {
  await withHubs("smoke", async ([one], [a, b]) => {
    assert.equal(await one.emit("b", "hi b"), true);
    assert.equal(await b.next(), "hi b");
    assert.deepEqual([await one.online("b"), await one.online("nobody")], [true, false]);
    assert.deepEqual(await one.publish("news", "news"), { delivered: 2, held: 0, dropped: 0, unreachable: [] });
    assert.deepEqual([await a.next(), await b.next()], ["news", "news"]);
    assert.equal((await one.broadcast("all")).delivered, 2);
    assert.deepEqual([await a.next(), await b.next()], ["all", "all"]);
    await b.close();
    await until("b to be offline", async () => !(await one.online("b")));
  });
  const left = (await etcd.keys()).filter((key) => key.startsWith("smoke"));
  assert.deepEqual(left, ["smoke\xff\xffgeneration"]);
});

for (const [what, harm] of [["its keys are deleted", "wipe"], ["all its leases are revoked", "revokeAll"]] as const) {
  test(`when etcd is filled and ${what}, every client is reachable again, with no reconnect`, async () => {
    await withHubs(harm, async ([one, two], [a, b]) => {
      assert.equal(await one.emit("b", "before"), true);
      assert.equal(await b.next(), "before");
      await etcd[harm]();
      const other = new EtcdStorage({ endpoints: etcd.endpoints, timeoutMs: 3_000 }, harm);
      await until("both claims to be back", async () => (await other.get(["a", "b"])).every(Boolean));
      await until(
        "both to be reached",
        async () => await one.emit("b", "after").catch(() => false) && await two.emit("a", "after").catch(() => false),
      );
      assert.deepEqual([await a.next(), await b.next()], ["after", "after"]);
    });
  });
}
