/** A node that has no file descriptor left, because somebody opened connections until then. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { NodeProcess } from "../kit/node-process.ts";
import { startRedis } from "../kit/redis.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const MAX_FILES = 200;
/** The runtime may keep some in reserve. */
const NEARLY_ALL = MAX_FILES - 4;
const SECRET = "a secret of the cluster, longer than thirty-two bytes";

function open({ pid }: NodeProcess): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** More connections than the node can take. */
function flood(port: number): Socket[] {
  return Array.from({ length: 2 * MAX_FILES }, () => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    return socket.resume();
  });
}

/** Whether the port answers a new connection. */
function answers(port: number): Promise<boolean> {
  const signal = AbortSignal.timeout(1_000);
  const request = fetch(`http://127.0.0.1:${port}/`, { signal, headers: { connection: "close" } });
  return request.then((response) => response.text().then(() => true), () => false);
}

for (const name of ["public", "RPC"]) {
  test(`a node whose ${name} port took all its descriptors lives, serves who is there, and answers anew when they are freed`, async () => {
    const redis = await startRedis();
    const storage = { url: redis.url, token: redis.token, prefix: "descriptors" };
    try {
      const poor = await NodeProcess.start({ runtime, storage, secret: SECRET, maxFiles: MAX_FILES });
      const other = await NodeProcess.start({ runtime, storage, secret: SECRET });
      const alice = await poor.connect("alice");
      assert.equal(await other.hub.emit("alice", "before"), true);
      assert.equal(await alice.next(), "before");

      const port = name === "RPC" ? poor.rpcPort : Number(new URL(poor.url).port);
      const sockets = flood(port);
      await until("the descriptors to be gone", () => open(poor) >= NEARLY_ALL);
      for (const hub of [other.hub, poor.hub]) {
        assert.equal(await hub.emit("alice", "meanwhile"), true);
        assert.equal(await alice.next(), "meanwhile");
      }
      for (const socket of sockets) socket.destroy();

      await until("an answer", () => answers(port));
      const bob = await poor.connect("bob");
      assert.equal(await other.hub.emit("bob", "after"), true);
      assert.equal(await bob.next(), "after");
      await Promise.all([alice.close(), bob.close()]);
      // Rejects if anything went uncaught.
      await Promise.all([poor.close(), other.close()]);
    } finally {
      await redis.stop();
    }
  });
}
