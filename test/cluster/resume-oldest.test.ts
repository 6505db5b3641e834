/** With `duplicateIds: "oldest"` a client resumes on any node of any runtime, over each storage, and its id stays its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Greeting, V1_PROTOCOL } from "../../src/wire/v1.ts";
import { ChaosCluster } from "../kit/chaos-cluster.ts";
import { STORES } from "../kit/chaos-store.ts";
import { TestClient } from "../kit/client.ts";
import type { NodeProcess } from "../kit/node-process.ts";

/** Connects, with a token to resume, and waits for the hello. */
async function greet(node: NodeProcess, token?: string): Promise<{ client: TestClient; hello: Greeting }> {
  const offers = token === undefined ? [V1_PROTOCOL] : [V1_PROTOCOL, `meshsocket.resume.0.${token}`];
  const client = await TestClient.open(node.clientUrl("me"), offers);
  for (;;) {
    const line = String(await client.next());
    if (line.startsWith("~hello ")) return { client, hello: JSON.parse(line.slice(7)) as Greeting };
  }
}

for (const store of STORES) {
  test(`${store}: the oldest client of an id comes back on the node of each runtime, and no other one gets the id`, async () => {
    await using cluster = await ChaosCluster.start({ store, duplicateIds: "oldest" });
    const [first, ...others] = cluster.seats.map(({ node }) => node);
    assert.ok(first);
    let { client, hello } = await greet(first);
    for (const node of [...others, first]) {
      await assert.rejects(greet(node));
      await assert.rejects(greet(node, "a-wrong-token"));
      client.ws.close(4001);
      const next = await greet(node, hello.token);
      assert.deepEqual([next.hello.resumed, next.hello.lost], [true, undefined], `on ${node.runtime}`);
      ({ client, hello } = next);
    }
    for (const { node } of cluster.seats) assert.equal(await node.hub.emit("me", `from ${node.runtime}`), true);
    await client.close();
  });
}
