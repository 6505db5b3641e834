/** Presence between processes of mixed runtimes: deaths, cut lines, ids that move. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { NodeEvent } from "../kit/node-control.ts";
import { NODE_RUNTIMES, NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster, SECRET } from "../kit/process-cluster.ts";
import type { Runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const LEASE_MS = 1_500;
const TIMEOUT_MS = 1_000;
/** What the measuring itself may take on a busy machine. */
const SLACK_MS = 500;

let cluster: ProcessCluster;

before(async () => {
  cluster = await ProcessCluster.start({ leaseMs: LEASE_MS });
});

after(async () => {
  await cluster.close();
});

/** "join alice", "leave alice" …, as a node's watches heard them. */
function heard({ events }: NodeProcess, topic: string): string[] {
  const changes = events.filter((event): event is Extract<NodeEvent, { type: "presence" }> =>
    event.type === "presence" && event.topic === topic
  );
  return changes.map(({ event: { type, id } }) => `${type} ${id}`);
}

function nextTo(runtime: Runtime): NodeProcess {
  return cluster.on(NODE_RUNTIMES[(NODE_RUNTIMES.indexOf(runtime) + 1) % 3] ?? runtime);
}

for (const runtime of NODE_RUNTIMES) {
  test(`${runtime}: after kill -9 its members leave once each within lease + 1 s, and members meanwhile names the host`, async () => {
    const watchers = NODE_RUNTIMES.filter((name) => name !== runtime).map((name) => cluster.on(name));
    const [first] = watchers;
    assert.ok(first);
    const topic = `doomed ${runtime}`;
    const { url, token } = cluster.redis;
    const storage = { url, token, prefix: "cluster" };
    const doomed = await NodeProcess.start({ runtime, storage, secret: SECRET, leaseMs: LEASE_MS });
    const staying = await first.connect(`stays ${runtime}`, [topic]);
    const ids = Array.from({ length: 20 }, (_, index) => `doomed ${runtime} ${index}`);
    await Promise.all(ids.map((id) => doomed.connect(id, [topic])));
    await Promise.all(watchers.map((node) => node.watch(topic)));
    const joins = [...ids, `stays ${runtime}`].map((id) => `join ${id}`).toSorted();
    for (const node of watchers) await until("the joins", () => heard(node, topic).length === joins.length);
    for (const node of watchers) assert.deepEqual(heard(node, topic).toSorted(), joins);

    const killedAt = performance.now();
    await doomed.kill();
    const meanwhile = await first.hub.members(topic, { timeoutMs: TIMEOUT_MS });
    assert.ok(performance.now() - killedAt < TIMEOUT_MS + SLACK_MS, "the answer came within the deadline");
    assert.deepEqual(meanwhile, { ids: [`stays ${runtime}`], unreachable: [doomed.host] });

    const leaves = ids.map((id) => `leave ${id}`).toSorted();
    for (const node of watchers) {
      await until("the leaves", () => heard(node, topic).length >= joins.length + leaves.length);
    }
    const tookMs = performance.now() - killedAt;
    assert.ok(tookMs < LEASE_MS + 1_000 + SLACK_MS, `the members left after ${Math.round(tookMs)} ms`);
    assert.deepEqual(await first.hub.members(topic), { ids: [`stays ${runtime}`], unreachable: [] });
    for (const node of watchers) assert.deepEqual(heard(node, topic).slice(joins.length).toSorted(), leaves);
    await staying.close();
  });

  test(`${runtime}: an id that moves to a node of another runtime neither leaves nor joins`, async () => {
    const node = cluster.on(runtime);
    const next = nextTo(runtime);
    const topic = `moving ${runtime}`;
    const id = `mover ${runtime}`;
    await Promise.all(cluster.nodes.map((one) => one.node.watch(topic)));
    // Another info would be an update.
    const info = { name: "Mo", tags: ["a", null] };
    const older = await node.connect(id, [topic], { info });
    for (const one of cluster.nodes) await until("the join", () => heard(one.node, topic).length === 1);
    const newer = await next.connect(id, [topic], { info });
    assert.equal((await older.closed()).code, 4409);
    await newer.close();
    for (const one of cluster.nodes) await until("the leave", () => heard(one.node, topic).length > 1);
    for (const one of cluster.nodes) assert.deepEqual(heard(one.node, topic), [`join ${id}`, `leave ${id}`]);
    const [change] = next.events.filter((event) => event.type === "presence" && event.topic === topic);
    assert.deepEqual(change, {
      type: "presence",
      topic,
      event: { type: "join", id, info: { name: "Mo", tags: ["a", null] } },
    });
  });

  test(`${runtime}: whoever comes and goes while lines are cut is told once each when they stand again`, async () => {
    const node = cluster.on(runtime);
    const next = nextTo(runtime);
    const topic = `cut ${runtime}`;
    const stays = await node.connect(`stays ${topic}`, [topic]);
    const goes = await node.connect(`goes ${topic}`, [topic]);
    await next.watch(topic);
    await until("the joins", () => heard(next, topic).length === 2);
    const proxy = cluster.nodes.find((one) => one.node === node)?.proxy;
    assert.ok(proxy);
    proxy.refuse(true);
    proxy.cut();
    await goes.close();
    const comes = await node.connect(`comes ${topic}`, [topic]);
    proxy.refuse(false);
    await until("the difference", () => heard(next, topic).length >= 4);
    assert.deepEqual(heard(next, topic).slice(2).toSorted(), [`join comes ${topic}`, `leave goes ${topic}`]);
    await Promise.all([stays.close(), comes.close()]);
    await until("all to be gone", () => heard(next, topic).length === 6);
  });
}
