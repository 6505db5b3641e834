/** A client whose session names no id has a random one, and comes back as itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { V1Client } from "../kit/v1-client.ts";
import { within } from "../kit/wait.ts";

const session = { user: "alice" };

test("a client without an id of its session resumes, on this node and on another, with messages to its id and its user", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await V1Client.open(a.hub, session);
  const { id } = first.hello;
  assert.match(id, /^[\w-]{22}$/);
  first.socket.terminate();
  assert.equal(await a.hub.emit(id, "1"), true);
  const second = await V1Client.open(a.hub, session, `0.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, second.hello.id], [true, id]);
  assert.equal(await second.next(), "1");
  second.socket.terminate();
  assert.equal((await b.hub.user("alice").emit("2")).held, 1);
  const third = await V1Client.open(b.hub, session, `1.${second.hello.token}`);
  assert.deepEqual([third.hello.resumed, third.hello.id], [true, id]);
  assert.equal(await third.next(), "2");
  assert.deepEqual([a.hub.size, b.hub.size], [0, 1]);
});

test("two clients without an id have different ones, and a client that only knows an id does not get it", async () => {
  await using hub = new Hub();
  const victim = await V1Client.open(hub, session);
  const { id, token } = victim.hello;
  const [secret = "", rest = ""] = token.split(".");
  const offers = [id, `${id}.${rest}`, `${id}.${secret}`, `${"A".repeat(22)}.${rest}`, rest, `.${rest}`];
  for (const offer of offers) {
    const other = await V1Client.open(hub, session, `0.${offer}`);
    assert.equal(other.hello.resumed, false, offer);
    assert.notEqual(other.hello.id, id);
  }
  assert.equal(await hub.emit(id, "still here"), true);
  assert.equal(await victim.next(), "still here");
});

test("a token of another time brings back the id and not the client, and a plain client has a random id", async () => {
  await using hub = new Hub({ resume: { windowMs: 1 } });
  const first = await V1Client.open(hub, {});
  const lost = new Promise((resolve) => hub.on("lost", resolve));
  first.socket.terminate();
  await within("the end of the window", lost);
  const second = await V1Client.open(hub, {}, `0.${first.hello.token}`);
  assert.deepEqual([second.hello.id, second.hello.resumed, second.hello.lost], [first.hello.id, false, "unknown"]);
  await MemoryClient.open(hub, {});
  assert.equal(hub.size, 2);
});
