/** Back-ends that know nothing but the .proto files, through a node of each runtime. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SignJWT } from "jose";
import { createToken } from "../../src/rpc/token.ts";
import { TestClient } from "../kit/client.ts";
import { grpc, type GrpcCall, GrpcCode, type GrpcResult } from "../kit/grpc.ts";
import { NODE_RUNTIMES, type NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster, SECRET } from "../kit/process-cluster.ts";
import type { Runtime } from "../kit/runtime.ts";

/** What the original's clients know: the service before it had fields of ours. */
const ORIGINAL_PROTO = `syntax = "proto3";
package websocket;
service Websocket {
  rpc Emit(EmitRequest) returns (EmitResponse) {}
  rpc Online(OnlineRequest) returns (OnlineResponse) {}
  rpc Broadcast(BroadcastRequest) returns (BroadcastResponse) {}
}
message EmitRequest { string id = 1; bytes data = 2; }
message EmitResponse { bool success = 1; }
message OnlineRequest { string id = 1; }
message OnlineResponse { bool online = 1; }
message BroadcastRequest { bytes data = 1; }
message BroadcastResponse { int64 count = 1; }
`;

const folder = mkdtempSync(join(tmpdir(), "meshsocket-proto-"));
const original = join(folder, "websocket.proto");
let cluster: ProcessCluster;

before(async () => {
  writeFileSync(original, ORIGINAL_PROTO);
  cluster = await ProcessCluster.start();
});

after(async () => {
  rmSync(folder, { recursive: true });
  await cluster.close();
});

/** The node that is called, and another one that holds the clients. */
function nodes(runtime: Runtime): { node: NodeProcess; other: NodeProcess } {
  const next = NODE_RUNTIMES[(NODE_RUNTIMES.indexOf(runtime) + 1) % NODE_RUNTIMES.length] ?? runtime;
  return { node: cluster.on(runtime), other: cluster.on(next) };
}

function base64(text: string | Uint8Array): string {
  return Buffer.from(text).toString("base64");
}

function tokenFor(audience: string): Promise<string> {
  return createToken({ secret: SECRET, audience });
}

/** The response of each call, or its code where it failed. */
async function call(node: NodeProcess, calls: readonly GrpcCall[], proto?: string): Promise<unknown[]> {
  const results = await grpc({ host: node.host, calls, ...(proto !== undefined && { proto }) });
  return results.map(({ code, response }: GrpcResult) => (code === GrpcCode.Ok ? response : code));
}

function now(): number {
  return Math.floor(Date.now() / 1_000);
}

/** A JSON Web Token made with nothing but a hash function (RFC 7519, RFC 7518 section 3.2). */
function handmade(claims: object, secret: string = SECRET, header: object = { alg: "HS256", typ: "JWT" }): string {
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

for (const runtime of NODE_RUNTIMES) {
  test(`${runtime}: a client of the original's proto emits, asks and broadcasts at one node`, async () => {
    const { node, other } = nodes(runtime);
    const here = await node.connect(`here ${runtime}`);
    const there = await other.connect(`there ${runtime}`);
    const token = await tokenFor(node.host);
    const answers = await call(
      node,
      [
        { method: "websocket.Websocket/Emit", request: { id: `here ${runtime}`, data: base64("hé😀") }, token },
        { method: "websocket.Websocket/Emit", request: { id: `there ${runtime}`, data: base64("x") }, token },
        { method: "websocket.Websocket/Online", request: { id: `here ${runtime}` }, token },
        { method: "websocket.Websocket/Online", request: { id: `there ${runtime}` }, token },
        { method: "websocket.Websocket/Broadcast", request: { data: base64("all") }, token },
      ],
      original,
    );
    assert.deepEqual(answers, [
      { success: true },
      { success: false },
      { online: true },
      { online: false },
      { count: "1" },
    ]);
    assert.deepEqual([await here.next(), await here.next(), there.waiting], ["hé😀", "all", []]);
    await Promise.all([here.close(), there.close()]);
  });

  test(`${runtime}: the Cluster service reaches the clients of every node with all its calls`, async () => {
    const { node, other } = nodes(runtime);
    const id = `cluster ${runtime}`;
    const topic = `news ${runtime}`;
    const client = await other.connect(id);
    const local = await node.connect(`local ${runtime}`);
    const token = await tokenFor("cluster");
    const to = (name: string, request: object = {}): GrpcCall => {
      return { method: `meshsocket.v1.Cluster/${name}`, request, token };
    };
    const answers = await call(node, [
      to("Emit", { id, data: base64("text") }),
      to("Emit", { id, data: base64(new Uint8Array([0, 255])), binary: true }),
      to("Emit", { id: "nobody", data: base64("text") }),
      to("Online", { id }),
      to("Online", { id: "nobody" }),
      to("Broadcast", { data: base64("all"), except: [`local ${runtime}`] }),
      to("Subscribe", { id, topic }),
      to("Members", { topic }),
      to("Publish", { topic, data: base64("news") }),
      to("Publish", { topic, data: base64("news"), except: [id] }),
      to("Unsubscribe", { id, topic }),
      to("Publish", { topic, data: base64("news") }),
      to("Subscribe", { id: "nobody", topic }),
      to("Disconnect", { id, code: 4001, reason: "bye" }),
      to("Disconnect", { id: "nobody" }),
    ]);
    const [members] = answers.splice(7, 1) as { ids: string[]; unreachable: string[] }[];
    assert.deepEqual([members?.ids, members?.unreachable], [[id], []]);
    const delivery = (delivered: string): object => ({
      delivery: { delivered, held: "0", dropped: "0", unreachable: [] },
    });
    assert.deepEqual(answers, [
      { accepted: true },
      { accepted: true },
      { accepted: false },
      { online: true },
      { online: false },
      delivery("1"),
      { found: true },
      delivery("1"),
      delivery("0"),
      { found: true },
      delivery("0"),
      { found: false },
      { found: true },
      { found: false },
    ]);
    const got = [await client.next(), await client.next(), await client.next(), await client.next()];
    assert.deepEqual(got, ["text", new Uint8Array([0, 255]), "all", "news"]);
    assert.deepEqual(await client.closed(), { code: 4001, reason: "bye" });
    assert.deepEqual(local.waiting, []);
    await local.close();
  });

  test(`${runtime}: the Cluster service reaches the clients of a user on every node`, async () => {
    const { node, other } = nodes(runtime);
    const user = `user ${runtime}`;
    const topic = `of user ${runtime}`;
    const open = (at: NodeProcess, id: string): Promise<TestClient> =>
      TestClient.open(`${at.clientUrl(id)}&user=${encodeURIComponent(JSON.stringify(user))}`);
    const clients = [await open(node, `tab 1 ${runtime}`), await open(other, `tab 2 ${runtime}`)];
    for (const client of clients) assert.match(String(await client.next()), /^welcome/);
    const token = await tokenFor("cluster");
    const to = (name: string, request: object = {}): GrpcCall => {
      return { method: `meshsocket.v1.Cluster/User${name}`, request: { user, ...request }, token };
    };
    const answers = await call(node, [
      to("Online"),
      to("Online", { user: "nobody" }),
      to("Emit", { data: base64("hi") }),
      to("Emit", { data: base64("no"), except: [`tab 1 ${runtime}`, `tab 2 ${runtime}`] }),
      to("Subscribe", { topic }),
      { method: "meshsocket.v1.Cluster/Publish", request: { topic, data: base64("news") }, token },
      to("Unsubscribe", { topic }),
      to("Request", { data: base64("?") }),
      to("Request", { user: "nobody", data: base64("?") }),
      to("Emit", { user: "", data: base64("no") }),
      to("Clients"),
      to("Disconnect", { code: 4401, reason: "signed out" }),
      to("Disconnect"),
    ]);
    const delivery = (delivered: string): object => ({
      delivery: { delivered, held: "0", dropped: "0", unreachable: [] },
    });
    const [list] = answers.splice(10, 1) as { ids: string[] }[];
    assert.deepEqual(list?.ids.toSorted(), [`tab 1 ${runtime}`, `tab 2 ${runtime}`]);
    assert.deepEqual(answers, [
      { online: true },
      { online: false },
      delivery("2"),
      delivery("0"),
      { count: "2" },
      delivery("2"),
      { count: "2" },
      GrpcCode.FailedPrecondition,
      GrpcCode.NotFound,
      GrpcCode.InvalidArgument,
      { count: "2" },
      { count: "0" },
    ]);
    for (const client of clients) {
      assert.deepEqual([await client.next(), await client.next()], ["hi", "news"]);
      assert.deepEqual(await client.closed(), { code: 4401, reason: "signed out" });
    }
  });

  test(`${runtime}: the Cluster service's Emit waits for the client, if it is to confirm`, async () => {
    const { node, other } = nodes(runtime);
    const id = `confirm ${runtime}`;
    const client = await TestClient.open(other.clientUrl(id), ["meshsocket.v1"]);
    client.ws.addEventListener("message", ({ data }) => {
      if (data === "~sync") client.send("~ack 2");
    });
    while ((await client.next()) !== `welcome ${id}`);
    const plain = await other.connect(`plain ${runtime}`);
    const token = await tokenFor("cluster");
    const emit = (to: string): GrpcCall => {
      return { method: "meshsocket.v1.Cluster/Emit", request: { id: to, data: base64("hi"), confirm: true }, token };
    };
    assert.deepEqual(await call(node, [emit(id), emit("nobody"), emit(`plain ${runtime}`)]), [
      { accepted: true },
      { accepted: false },
      GrpcCode.FailedPrecondition,
    ]);
    assert.deepEqual([await client.next(), await client.next()], ["hi", "~sync"]);
    assert.deepEqual(plain.waiting, []);
    await Promise.all([client.close(), plain.close()]);
  });

  test(`${runtime}: the Cluster service names the living nodes`, async () => {
    const token = await tokenFor("cluster");
    const [answer] = await call(cluster.on(runtime), [{ method: "meshsocket.v1.Cluster/Nodes", token }]);
    const hosts = (answer as { nodes: { host: string }[] }).nodes.map(({ host }) => host);
    assert.deepEqual(hosts.toSorted(), cluster.nodes.map(({ node }) => node.host).toSorted());
  });

  test(`${runtime}: a token that is missing, wrong, expired, foreign or another node's is unauthenticated`, async () => {
    const { node, other } = nodes(runtime);
    const tokens = [
      undefined,
      "",
      "x",
      "a.b.c",
      SECRET,
      handmade({ aud: node.host, exp: now() - 60 }),
      handmade({ aud: node.host }),
      handmade({ exp: now() + 60 }),
      handmade({ aud: node.host, exp: now() + 60 }, "another secret of thirty-two bytes or more"),
      handmade({ aud: node.host, exp: now() + 60 }, SECRET, { alg: "none" }),
      handmade({ aud: node.host, exp: now() + 60 }, SECRET, { alg: "HS512" }),
      handmade({ aud: node.host, exp: now() + 60, nbf: now() + 600 }),
      await tokenFor(other.host),
    ];
    const calls = tokens.flatMap((token) =>
      ["websocket.Websocket/Online", "meshsocket.v1.Cluster/Online"].map((method) => {
        return { method, request: { id: "alice" }, ...(token !== undefined && { token }) };
      })
    );
    assert.deepEqual(await call(node, calls), calls.map(() => GrpcCode.Unauthenticated));
  });

  test(`${runtime}: a token for the cluster opens the Cluster service and is denied at the services of one node`, async () => {
    const token = await tokenFor("cluster");
    const calls = [
      { method: "websocket.Websocket/Emit", request: { id: "alice" }, token },
      { method: "websocket.Websocket/Online", request: { id: "alice" }, token },
      { method: "websocket.Websocket/Broadcast", token },
      { method: "meshsocket.node.v1.Node/Hello", token },
      { method: "meshsocket.node.v1.Node/Deliver", token },
      { method: "meshsocket.v1.Cluster/Online", request: { id: "alice" }, token },
    ];
    const { PermissionDenied } = GrpcCode;
    const denied = Array.from({ length: 5 }, () => PermissionDenied);
    assert.deepEqual(await call(cluster.on(runtime), calls), [...denied, { online: false }]);
  });

  test(`${runtime}: a token of any other JWT library is as good`, async () => {
    const { host } = cluster.on(runtime);
    const signed = (audience: string | string[]): Promise<string> => {
      const jwt = new SignJWT({ sub: "billing" }).setProtectedHeader({ alg: "HS256" }).setAudience(audience);
      return jwt.setExpirationTime("1 minute").sign(new TextEncoder().encode(SECRET));
    };
    const tokens = [
      handmade({ aud: host, exp: now() + 60 }),
      handmade({ aud: ["elsewhere", host], exp: now() + 60, iat: now() }),
      await signed(host),
      await signed([host, "cluster"]),
    ];
    const calls = tokens.map((token) => ({ method: "websocket.Websocket/Online", request: { id: "alice" }, token }));
    const clusterTokens = [handmade({ aud: "cluster", exp: now() + 60 }), await signed("cluster")];
    const clusterCalls = clusterTokens.map((token) => {
      return { method: "meshsocket.v1.Cluster/Online", request: { id: "alice" }, token };
    });
    const answers = await call(cluster.on(runtime), [...calls, ...clusterCalls]);
    assert.deepEqual(answers, answers.map(() => ({ online: false })));
  });

  test(`${runtime}: bad ids, topics, close codes and text that is no UTF-8 are invalid_argument`, async () => {
    const node = cluster.on(runtime);
    const token = await tokenFor(node.host);
    const noText = base64(new Uint8Array([0x61, 0xff]));
    const bad: [method: string, request: object][] = [
      ["websocket.Websocket/Emit", { id: "alice", data: noText }],
      ["websocket.Websocket/Emit", { id: "", data: "" }],
      ["websocket.Websocket/Emit", { id: "x".repeat(513), data: "" }],
      ["websocket.Websocket/Online", { id: "" }],
      ["websocket.Websocket/Broadcast", { data: noText }],
      ["meshsocket.v1.Cluster/Emit", { id: "alice", data: noText }],
      ["meshsocket.v1.Cluster/Emit", { id: "", data: "" }],
      ["meshsocket.v1.Cluster/Emit", { id: "é".repeat(257), data: "" }],
      ["meshsocket.v1.Cluster/Online", { id: "" }],
      ["meshsocket.v1.Cluster/Broadcast", { data: noText }],
      ["meshsocket.v1.Cluster/Publish", { topic: "news", data: noText }],
      ["meshsocket.v1.Cluster/Publish", { topic: "", data: "" }],
      ["meshsocket.v1.Cluster/Members", { topic: "" }],
      ["meshsocket.v1.Cluster/Subscribe", { id: "alice", topic: "x".repeat(513) }],
      ["meshsocket.v1.Cluster/Unsubscribe", { id: "", topic: "news" }],
      ["meshsocket.v1.Cluster/Disconnect", { id: "alice", code: 1006 }],
      ["meshsocket.v1.Cluster/Disconnect", { id: "alice", code: 4_000_000_000 }],
      ["meshsocket.v1.Cluster/Disconnect", { id: "alice", reason: "x".repeat(124) }],
    ];
    const answers = await call(node, bad.map(([method, request]) => ({ method, request, token })));
    for (const [index, [method, request]] of bad.entries()) {
      assert.equal(answers[index], GrpcCode.InvalidArgument, `${method} ${JSON.stringify(request).slice(0, 60)}`);
    }
    const binary = { id: "nobody", data: noText, binary: true };
    const [good] = await call(node, [{ method: "meshsocket.v1.Cluster/Emit", request: binary, token }]);
    assert.deepEqual(good, { accepted: false });
  });

  test(`${runtime}: a caller's deadline holds although the owner of the id does not answer`, async () => {
    const { node, other } = nodes(runtime);
    const id = `deadline ${runtime}`;
    const client = await other.connect(id);
    assert.equal(await node.hub.emit(id, "route"), true);
    const token = await tokenFor("cluster");
    const emit = { method: "meshsocket.v1.Cluster/Emit", request: { id, data: base64("late") }, token };
    const proxy = cluster.nodes.find((one) => one.node === other)?.proxy;
    proxy?.pause();
    try {
      const started = performance.now();
      assert.deepEqual(await call(node, [{ ...emit, timeoutMs: 400 }]), [GrpcCode.DeadlineExceeded]);
      assert.ok(performance.now() - started < 4_000);
    } finally {
      proxy?.resume();
    }
    assert.deepEqual(await call(node, [emit]), [{ accepted: true }]);
    await client.close();
  });

  test(`${runtime}: two thousand calls and a GOAWAY, again and again, leave the node alive`, async () => {
    const { node, other } = nodes(runtime);
    const id = `many ${runtime}`;
    const client = await other.connect(id);
    const token = await tokenFor("cluster");
    const online: GrpcCall = { method: "meshsocket.v1.Cluster/Online", request: { id }, token };
    for (const times of [2_000, 200, 1, 200]) {
      assert.deepEqual(await call(node, [{ ...online, times }]), [{ online: true }]);
    }
    assert.equal((await node.status()).status, "ready");
    assert.equal(await node.hub.emit(id, "still here"), true);
    assert.equal(await client.next(), "still here");
    await client.close();
  });
}

test("no node that a back-end called met an error that nobody caught", () => {
  for (const { node } of cluster.nodes) assert.deepEqual(node.problems, [], node.runtime);
});
