/** docs/protocol.md is enough to write a client: one in Python resumes on another node. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session } from "../../src/client/session.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { loadServe } from "../kit/servers.ts";
import { Events } from "../kit/wait.ts";

const serve = await loadServe();

test("a client in Python that follows the page resumes on another node, with nothing missing", async () => {
  const storage = new MemoryStorage();
  const heard = new Events<string>("a message of the client");
  const session = (): Session => ({
    id: "python",
    onEvent: (_, message) => heard.add(String(message)),
    onSubscribe: (_, topic) => topic === "room:1",
  });
  const options = { port: 0, hostname: "127.0.0.1", session, rpc: { port: 0, hostname: "127.0.0.1" } };
  const a = new DistHub({ storage, logger: silentLogger });
  const b = new DistHub({ storage, logger: silentLogger });
  await using one = await serve(a, options);
  await using other = await serve(b, options);
  const urls = [one, other].map(({ url }) => url.replace("http", "ws"));
  // That of Debian: its package python3-websockets is not seen by others.
  const child = spawn("/usr/bin/python3", [join(import.meta.dirname, "..", "kit", "v1_client.py"), ...urls], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = new Events<string>("a line of the program");
  createInterface({ input: child.stdout }).on("line", (line) => lines.add(line));
  const away = new Promise((resolve) => a.on("away", resolve));
  try {
    assert.equal(await lines.next(), '["hello", false]');
    assert.equal(await heard.next(), "~from python");
    assert.equal(await b.emit("python", "one"), true);
    assert.equal(await lines.next(), '["message", "one"]');
    // The refusal of the second may come first: the other nodes hear of the first.
    const answers = [await lines.next(), await lines.next()].toSorted((left, right) => left < right ? -1 : 1);
    assert.match(answers.join(" "), /^\["error", "2 .*permission_denied.* \["subscribed", "1 {}"\]$/);
    assert.equal((await b.publish("room:1", "~in the room")).delivered, 1);
    assert.equal(await lines.next(), '["message", ["room:1", "~in the room"]]');
    assert.equal(await lines.next(), '["dropped"]');
    await away;
    assert.equal(await b.emit("python", "~two"), true);
    assert.equal((await b.publish("room:1", "meanwhile")).held, 1);
    assert.equal(await b.emit("python", "three"), true);
    child.stdin.write("go on\n");
    assert.equal(await lines.next(), '["hello", true]');
    assert.equal(await lines.next(), '["message", "~two"]');
    assert.equal(await lines.next(), '["message", ["room:1", "meanwhile"]]');
    assert.equal(await lines.next(), '["message", "three"]');
    assert.equal(await heard.next(), "after the move");
    assert.equal(await a.request("python", "there?"), "there?!");
    assert.equal(await a.emit("python", "four"), true);
    assert.equal(await lines.next(), '["message", "four"]');
  } finally {
    child.kill();
  }
});
