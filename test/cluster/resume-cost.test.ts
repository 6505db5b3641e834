/** The cost of a resume on another node: storage commands counted at the endpoint. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Greeting, V1_PROTOCOL } from "../../src/wire/v1.ts";
import { TestClient } from "../kit/client.ts";
import { NODE_RUNTIMES, type NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster } from "../kit/process-cluster.ts";

const CLIENTS = 50;

/** Connects, with a token to resume, and waits for the hello. */
async function greet(node: NodeProcess, id: string, token?: string): Promise<{ client: TestClient; hello: Greeting }> {
  const offers = token === undefined ? [V1_PROTOCOL] : [V1_PROTOCOL, `meshsocket.resume.1.${token}`];
  const client = await TestClient.open(node.clientUrl(id, ["news"]), offers);
  for (;;) {
    const line = String(await client.next());
    if (line.startsWith("~hello ")) return { client, hello: JSON.parse(line.slice(7)) as Greeting };
  }
}

test("a resume on another node costs its claim and no other storage command, from each runtime to the next", async () => {
  const cluster = await ProcessCluster.start({ leaseMs: 3_000 });
  try {
    const nodes = NODE_RUNTIMES.map((runtime) => cluster.on(runtime));
    // The topic has listeners on all nodes, whoever moves.
    const listeners = await Promise.all(nodes.map((node) => node.connect(`listener on ${node.runtime}`, ["news"])));
    for (const [index, from] of nodes.entries()) {
      const to = nodes[(index + 1) % nodes.length] ?? from;
      const ids = Array.from({ length: CLIENTS }, (_, at) => `${from.runtime} ${at}`);
      const first = await Promise.all(ids.map((id) => greet(from, id)));
      for (const [at, { client }] of first.entries()) assert.equal(await client.next(), `welcome ${ids[at]}`);
      cluster.redis.commands.length = 0;
      const second = await Promise.all(ids.map((id, at) => greet(to, id, first[at]?.hello.token)));
      assert.ok(second.every(({ hello }) => hello.resumed));
      const { renew: _, set = 0, ...others } = cluster.redis.counts();
      assert.deepEqual(others, {});
      assert.equal((await from.hub.publish("news", "where are you?")).delivered, CLIENTS + nodes.length);
      // Claims of one tick share a command.
      assert.ok(set > 0 && set <= CLIENTS, `${set} claims`);
      await Promise.all(second.map(({ client }) => client.close()));
      for (const { client } of first) client.ws.close();
    }
    await Promise.all(listeners.map((client) => client.close()));
  } finally {
    await cluster.close();
  }
});
