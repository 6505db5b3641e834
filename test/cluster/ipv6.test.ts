import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { loadListen } from "../kit/servers.ts";
import { until } from "../kit/until.ts";
import { Events, within } from "../kit/wait.ts";

test("nodes that advertise IPv6 addresses reach each other with every verb", async () => {
  const storage = new MemoryStorage();
  const listen = await loadListen();
  const start = async (): Promise<DistHub> => {
    const hub = new DistHub({
      storage,
      secret: "a secret of more than thirty-two bytes, for IPv6",
      logger: silentLogger,
    });
    const { host } = await listen(hub, { hostname: "::1" });
    assert.match(host, /^\[::1\]:\d+$/);
    return hub;
  };
  const [a, b] = [await start(), await start()];
  try {
    await until("both to know each other", () => a.nodes().length === 2 && b.nodes().length === 2);
    const alice = await MemoryClient.open(b, { id: "alice", onConnect: (client) => client.subscribe("news") });
    assert.equal(await a.emit("alice", "hi"), true);
    assert.equal(await alice.next(), "hi");
    const members = await a.members("news");
    assert.deepEqual([members.ids, members.unreachable], [["alice"], []]);
    assert.equal(await a.subscribe("alice", "other"), true);
    const joined = new Events<string>("a member");
    const watch = a.watchPresence("news", { onEvent: ({ type, id }) => joined.add(`${type} ${id}`) });
    await watch.ready;
    assert.equal(await joined.next(), "join alice");
    watch.close();
    const left = new Promise((resolve) => a.on("nodeleave", resolve));
    await b.close();
    await within("the farewell", left, 2_000);
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
});
