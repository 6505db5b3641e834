/** An etcd of three members that loses its leader, under load and together with a node. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { crowd, duplicates, member } from "../kit/crowd.ts";
import { type EtcdMember, startEtcd, type TestEtcd } from "../kit/etcd.ts";
import type { Outcome } from "../kit/node-control.ts";
import { NODE_RUNTIMES, NodeProcess } from "../kit/node-process.ts";
import { SECRET } from "../kit/process-cluster.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const LEASE_MS = 2_000;
/** Followers wait for up to twice the election timeout (500 ms), and may have to vote twice. */
const ELECTION_MS = 2_000;
const SLACK_MS = 1_000;
const PREFIX = "leader";

const nodes: NodeProcess[] = [];
const started: TestEtcd[] = [];

after(async () => {
  await Promise.all(nodes.map((node) => node.kill()));
  await Promise.all(started.map((etcd) => etcd.stop()));
});

async function leaderOf({ members }: TestEtcd): Promise<EtcdMember> {
  for (const one of members) {
    const response = await fetch(`${one.url}/v3/maintenance/status`, { method: "POST", body: "{}" });
    const { header, leader } = (await response.json()) as { header?: { member_id?: string }; leader?: string };
    if (leader !== undefined && header?.member_id === leader) return one;
  }
  throw new Error("etcd has no leader");
}

/** Sends to these ids from these nodes until it is told to stop; then answers what was not true. */
function traffic(senders: readonly NodeProcess[], ids: readonly string[]): () => Promise<Outcome[]> {
  let going = true;
  const untrue: Outcome[] = [];
  const rounds = senders.map(async (node) => {
    for (let round = 0; going; round++) {
      const outcomes = await node.callAll(ids.map((id) => ["emit", id, `${node.runtime} ${round}`]));
      untrue.push(...outcomes.filter((one) => !("value" in one && one.value === true)));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  return async () => {
    going = false;
    await Promise.all(rounds);
    return untrue;
  };
}

test("etcd: a node and the leader die together under load: traffic goes on, the dead are offline within two leases and the election, nothing is left", async () => {
  const etcd = await startEtcd(3);
  started.push(etcd);
  const { endpoints } = etcd;
  const storage = { endpoints, prefix: PREFIX };
  const options = { storage, secret: SECRET, leaseMs: LEASE_MS };
  nodes.push(...await Promise.all(NODE_RUNTIMES.map((on) => NodeProcess.start({ ...options, runtime: on }))));
  await until("the nodes to know each other", async () => {
    return (await Promise.all(nodes.map((node) => node.status()))).every((status) => status.nodes.length === 3);
  });
  const dead = nodes.find((node) => node.runtime === runtime) ?? assert.fail();
  const survivors = nodes.filter((node) => node !== dead);
  const [asking] = survivors as [NodeProcess];
  const clients = (await Promise.all(survivors.map((node) => crowd(node, node.runtime, 30)))).flat();
  const doomed = await crowd(dead, "doomed", 30);
  const ids = clients.map(({ id }) => id);
  const { holder } = await dead.status();
  for (const node of survivors) {
    await node.callAll([...ids, ...doomed.map(({ id }) => id)].map((id) => ["emit", id, `route ${node.runtime}`]));
  }
  const stop = traffic(survivors, ids);
  const leader = await leaderOf(etcd);
  const killedAtMs = performance.now();
  await Promise.all([leader.kill(), dead.kill()]);
  // Who comes back elsewhere is let in once there is a leader, and reached at once.
  await until("a client to be let in", () => member(asking, "doomed-0").then(() => true, () => false));
  const letInMs = performance.now() - killedAtMs;
  assert.ok(letInMs < ELECTION_MS + SLACK_MS, `a client was let in after ${letInMs} ms`);
  for (const node of survivors) {
    await until("the come back one to be reached", () => node.hub.emit("doomed-0", "back").catch(() => false));
    await until("the others to be offline", () => node.hub.online("doomed-1").then((on) => !on, () => false));
  }
  const offlineMs = performance.now() - killedAtMs;
  assert.ok(offlineMs < 2 * LEASE_MS + ELECTION_MS + SLACK_MS, `offline after ${offlineMs} ms`);
  await until("nothing in the storage to name the dead node", async () => {
    const everything = { key: btoa("\0"), range_end: btoa("\0") };
    const { kvs = [] } = (await etcd.call("/v3/kv/range", everything)) as { kvs?: { key: string; value?: string }[] };
    const content = kvs.map(({ key, value = "" }) => `${atob(key)} ${atob(value)}`).join("\n");
    return content.includes("doomed-0") && !content.includes(holder.life) && !content.includes(holder.host);
  });
  assert.deepEqual((await stop()).slice(0, 5), []);
  assert.deepEqual(clients.filter(({ closed }) => closed), []);
  assert.equal(duplicates(clients), 0);
  for (const node of survivors) {
    await until("the node to be well", async () => (await node.status()).status === "ready");
  }
});
