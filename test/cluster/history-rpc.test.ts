/** The history of topics over RPC: through a node, and for a client that finds the nodes in the storage. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { loadServe } from "../kit/servers.ts";
import { withCode } from "../kit/storage.ts";

const SECRET = "a secret of more than thirty-two bytes";

test("back-ends publish, read and ask for the place of a topic with history, through a node and by the storage", async () => {
  const serve = await loadServe();
  const storage = new MemoryStorage();
  const topics = [{ match: "room:*", history: { messages: 100 } }];
  const hub = new DistHub({ storage, secret: SECRET, topics, logger: silentLogger });
  const rpc = { hostname: "127.0.0.1", port: 0 };
  await using server = await serve(hub, { port: 0, hostname: "127.0.0.1", session: () => ({}), rpc });
  using through = new DistClient({ url: `http://${server.rpc?.host}`, secret: SECRET, logger: silentLogger });
  using direct = new DistClient({ storage, secret: SECRET, logger: silentLogger });
  let offset = 0;
  for (const client of [through, direct]) {
    const delivery = await client.publish("room:1", "hi", { key: `key ${++offset}` });
    assert.equal(delivery.offset, offset);
    assert.equal((await client.publish("room:1", "hi", { key: `key ${offset}` })).offset, offset);
    assert.deepEqual(await client.position("room:1"), { epoch: delivery.epoch, offset });
    const { messages, more, recovered } = await client.history("room:1", { from: { last: 1 } });
    assert.deepEqual([messages.map((one) => [one.offset, one.data, one.key]), more, recovered], [
      [[offset, "hi", `key ${offset}`]],
      false,
      true,
    ]);
    assert.equal((await client.publish("lobby", "hi")).offset, undefined);
    await assert.rejects(client.publish("lobby", "hi", { key: "1" }), withCode("failed_precondition"));
    await assert.rejects(client.history("lobby"), withCode("failed_precondition"));
    await assert.rejects(client.history("room:1", { limit: 5_000 }), withCode("invalid_argument"));
  }
  await direct.publish("room:1", new Uint8Array([1, 2]));
  const { messages } = await through.history("room:1", { reverse: true, limit: 1 });
  assert.deepEqual(messages[0]?.data, new Uint8Array([1, 2]));
});
