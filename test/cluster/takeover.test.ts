/** One id, one connection: what becomes of an id that connects twice, on every pair of runtimes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloseCode } from "../../src/base/close-code.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import type { RedisEndpoint } from "../../cli/redis-endpoint.ts";
import { TestClient } from "../kit/client.ts";
import { NODE_RUNTIMES, type NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster } from "../kit/process-cluster.ts";
import { commandName } from "../kit/redis.ts";
import { until } from "../kit/until.ts";

const ROUNDS = 15;
/** Releases of claims stand still at the endpoint until this settles. */
let releases: Promise<void> = Promise.resolve();
let releasesHeld = 0;
let cluster: ProcessCluster;
let storage: RedisStorage;

before(async () => {
  cluster = await ProcessCluster.start({ redis: { through: holdReleases }, limits: { storageTimeoutMs: 10_000 } });
  storage = new RedisStorage(cluster.redis.target, "cluster");
});

after(async () => {
  await cluster.close();
});

async function holdReleases(request: Request, endpoint: RedisEndpoint): Promise<Response> {
  const { url, method, headers } = request;
  const body = await request.text();
  if (commandName(JSON.parse(body) as string[]) === "del") {
    releasesHeld++;
    await releases;
    releasesHeld--;
  }
  return await endpoint.fetch(new Request(url, { method, headers, body }));
}

async function holderOf(id: string): Promise<string | undefined> {
  return (await storage.get([id]))[0]?.host;
}

/** Fails unless a client is the one that has its id, for every node and for the storage. */
async function assertReachable(client: TestClient, id: string, owner: NodeProcess): Promise<void> {
  for (const { node } of cluster.nodes) {
    assert.equal(await node.hub.emit(id, `from ${node.runtime}`), true, `an emit from ${node.runtime}`);
    assert.equal(await client.next(), `from ${node.runtime}`);
    assert.equal(await node.hub.online(id), true);
  }
  assert.equal(await holderOf(id), owner.host);
}

async function leave(client: TestClient, id: string): Promise<void> {
  await client.close();
  await until("the release", async () => (await holderOf(id)) === undefined);
}

/** A client that may lose its id while it connects. */
async function attempt(node: NodeProcess, id: string): Promise<{ client: TestClient; node: NodeProcess }> {
  return { client: await TestClient.open(node.clientUrl(id)), node };
}

for (const first of NODE_RUNTIMES) {
  for (const second of NODE_RUNTIMES) {
    const name = `${first} then ${second}`;

    test(`${name}: the newer connection wins everywhere and the older is closed with 4409`, async () => {
      const id = `sequence ${name}`;
      const older = await cluster.on(first).connect(id);
      await assertReachable(older, id, cluster.on(first));
      const newer = await cluster.on(second).connect(id);
      assert.equal((await older.closed()).code, CloseCode.Replaced);
      await assertReachable(newer, id, cluster.on(second));
      assert.deepEqual(older.waiting, []);
      await leave(newer, id);
    });

    test(`${first} and ${second}: of two connections at once exactly one stays, and it is the one that is reached`, async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const id = `race ${name} ${round}`;
        const both = await Promise.all([attempt(cluster.on(first), id), attempt(cluster.on(second), id)]);
        const [one, two] = both;
        const loser = await Promise.race(both.map(async (each) => ({ each, ...(await each.client.untilClosed) })));
        assert.equal(loser.code, CloseCode.Replaced);
        const winner = loser.each === one ? two : one;
        assert.equal(await winner.client.next(), `welcome ${id}`);
        await assertReachable(winner.client, id, winner.node);
        const statuses = await Promise.all(cluster.nodes.map(({ node }) => node.status()));
        assert.equal(statuses.reduce((sum, { size }) => sum + size, 0), 1);
        assert.equal(winner.client.ws.readyState, WebSocket.OPEN);
        await leave(winner.client, id);
      }
    });

    test(`${name}: the late release of a closed connection erases nothing of a newer one`, async () => {
      const id = `late ${name}`;
      const older = await cluster.on(first).connect(id);
      const gate = Promise.withResolvers<void>();
      releases = gate.promise;
      await older.close();
      await until("the release to be held up", () => releasesHeld === 1);
      const newer = await cluster.on(second).connect(id);
      await assertReachable(newer, id, cluster.on(second));
      gate.resolve();
      await until("the release to be done", () => releasesHeld === 0);
      await assertReachable(newer, id, cluster.on(second));
      await leave(newer, id);
    });

    test(`${name}: the late release of a replaced connection erases nothing, also when the id came back to its node`, async () => {
      const id = `back ${name}`;
      const older = await cluster.on(first).connect(id);
      const gate = Promise.withResolvers<void>();
      releases = gate.promise;
      const newer = await cluster.on(second).connect(id);
      assert.equal((await older.closed()).code, CloseCode.Replaced);
      await until("the release to be held up", () => releasesHeld === 1);
      const newest = await cluster.on(first).connect(id);
      assert.equal((await newer.closed()).code, CloseCode.Replaced);
      gate.resolve();
      await until("the releases to be done", () => releasesHeld === 0);
      await assertReachable(newest, id, cluster.on(first));
      await leave(newest, id);
    });
  }
}

test("no node of the takeovers met an error that nobody caught", () => {
  for (const { node } of cluster.nodes) assert.deepEqual([...node.problems, ...node.logged], [], node.runtime);
});
