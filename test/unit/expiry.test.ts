/** A session holds until its `expiresAt`, unless the client sends a new token. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SignJWT } from "jose";
import { MeshError } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session } from "../../src/client/session.ts";
import { verifyBearer } from "../../src/door/auth.ts";
import { Hub } from "../../src/hub/hub.ts";
import { MemoryClient, upgradeRequest } from "../kit/memory-client.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { V1Client } from "../kit/v1-client.ts";
import { Events } from "../kit/wait.ts";

async function withHub(run: (hub: Hub) => Promise<void>): Promise<void> {
  await using hub = new Hub({ logger: silentLogger });
  await run(hub);
}

const soon = (ms = 250): number => Date.now() + ms;

test("a client is closed with 4401 when its session is over, whether it is plain or speaks meshsocket.v1", () =>
  withHub(async (hub) => {
    const ends = new Events<string>("an end");
    const session = (id: string, expiresAt: number): Session => ({
      id,
      expiresAt,
      onDisconnect: (client, code, reason) => ends.add(`${client.id} ${code} ${reason} ${Date.now() >= expiresAt}`),
    });
    const plain = await MemoryClient.open(hub, session("plain", soon()));
    assert.deepEqual(await plain.closed(), { code: 4401, reason: "the token expired" });
    assert.equal(await ends.next(), "plain 4401 the token expired true");
    const expiresAt = soon();
    const v1 = await V1Client.open(hub, session("v1", expiresAt));
    assert.equal(v1.hello.expiresAt, expiresAt);
    assert.equal(await v1.closed(), 4401);
    assert.equal(await ends.next(), "v1 4401 the token expired true");
    assert.equal((await V1Client.open(hub, { id: "open end" })).hello.expiresAt, undefined);
  }));

test("an away client whose session is over is lost, with what it did not acknowledge, and cannot resume", () =>
  withHub(async (hub) => {
    const ends = new Events<string>("an end");
    hub.on("lost", ({ reason, undelivered }) => ends.add(`lost ${reason} ${undelivered.join()}`));
    const session: Session = {
      id: "me",
      expiresAt: soon(),
      onDisconnect: (_, code, __, undelivered) => ends.add(`onDisconnect ${code} ${undelivered.join()}`),
    };
    const first = await V1Client.open(hub, session);
    first.socket.terminate();
    assert.equal(await hub.emit("me", "kept"), true);
    assert.deepEqual([await ends.next(), await ends.next()], ["lost expired kept", "onDisconnect 4401 kept"]);
    const second = await V1Client.open(hub, { ...session, expiresAt: soon(60_000) }, `0.${first.hello.token}`);
    assert.deepEqual([second.hello.resumed, second.hello.lost], [false, "unknown"]);
  }));

test("a client that resumes has the end of its new session, on this node and on another", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const later = soon(600_000);
  const first = await V1Client.open(a.hub, { id: "me", expiresAt: later });
  first.socket.terminate();
  const second = await V1Client.open(a.hub, { id: "me", expiresAt: later + 1 }, `0.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, second.hello.expiresAt], [true, later + 1]);
  second.socket.terminate();
  const expiresAt = soon(400);
  const third = await V1Client.open(b.hub, { id: "me", expiresAt }, `0.${second.hello.token}`);
  assert.deepEqual([third.hello.resumed, third.hello.expiresAt], [true, expiresAt]);
  assert.equal(await third.closed(), 4401);
});

test("a new token puts the end off, and one that is refused changes nothing", () =>
  withHub(async (hub) => {
    const expiresAt = soon(400);
    const later = soon(600_000);
    const client = await V1Client.open(hub, {
      id: "me",
      expiresAt,
      async onToken({ id }, token) {
        if (token === "stolen") throw new MeshError("permission_denied", `not a token of ${id}`);
        if (token === "defect") throw new Error("secret");
        return token === "good\n~" ? later : token === "old" ? 1_000_000_000_000 : undefined;
      },
    });
    const answers: unknown[] = [];
    for (const token of ["stolen", "defect", "old", "other", "good\n~"]) {
      client.send(`~token ${answers.length}\n${token}`);
      answers.push(await client.next());
    }
    assert.deepEqual(answers.slice(0, 4), [
      `~error 0 {"code":"permission_denied","message":"not a token of me"}`,
      `~error 1 {"code":"internal","message":"internal error"}`,
      `~error 2 {"code":"unauthenticated","message":"the new token was refused"}`,
      `~error 3 {"code":"unauthenticated","message":"the new token was refused"}`,
    ]);
    const [line, json = ""] = String(answers[4]).split("\n");
    assert.equal(line, "~reply 4");
    assert.equal((JSON.parse(json) as { expiresAt: number }).expiresAt, later);
    await new Promise((resolve) => setTimeout(resolve, expiresAt + 20 - Date.now()));
    assert.equal(await hub.emit("me", "still here"), true);
    assert.equal(await client.next(), "still here");
  }));

test("a new token that a server does not take, or that is not text, is answered with an error", () =>
  withHub(async (hub) => {
    const client = await V1Client.open(hub, { id: "me" });
    client.send("~token 1\nx");
    assert.equal(await client.next(), `~error 1 {"code":"unimplemented","message":"this server takes no new tokens"}`);
    client.send(new TextEncoder().encode("~token 2\nx"));
    assert.equal(await client.next(), `~error 2 {"code":"invalid_argument","message":"a token must be text"}`);
  }));

test("a session that is over already is refused with 4401, and a time that is none with an error", () =>
  withHub(async (hub) => {
    const refused = await MemoryClient.open(hub, { id: "me", expiresAt: Date.now() - 1 });
    assert.deepEqual(await refused.closed(), { code: 4401, reason: "the token expired" });
    const first = await MemoryClient.open(hub, { authenticate: () => ({ id: "me", expiresAt: Date.now() }) });
    first.socket.send("old");
    assert.deepEqual(await first.closed(), { code: 4401, reason: "the token expired" });
    assert.equal(hub.size, 0);
    for (const expiresAt of [1_764_259_200, NaN, -1, "soon", new Date()]) {
      const session = { id: "me", expiresAt } as Session;
      const answer = await hub.admit(upgradeRequest(), () => session, { remoteAddress: "" });
      assert.equal(answer instanceof Response ? answer.status : 101, 500, String(expiresAt));
    }
  }));

test("verifyBearer checks a token that came on its own, as onToken gets it", async () => {
  const key = "k".repeat(32);
  const sign = (exp: number): Promise<string> =>
    new SignJWT({ exp }).setProtectedHeader({ alg: "HS256" }).setSubject("me").sign(new TextEncoder().encode(key));
  const claims = await verifyBearer(await sign(4_000_000_000), { key });
  assert.deepEqual(claims, { exp: 4_000_000_000, sub: "me" });
  for (const token of [await sign(1_000_000_000), "no token", ""]) {
    const refused = await verifyBearer(token, { key });
    assert.equal(refused instanceof Response ? refused.status : 200, 401);
  }
});
