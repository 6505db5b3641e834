/** Nodes of which one is a version ahead of the other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type Message } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { type ConnectRouter, createClient, createRouterTransport, type Transport } from "@connectrpc/connect";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { DistServer } from "../../src/distributed/dist-server.ts";
import { errorCode } from "../../src/base/error.ts";
import {
  AnswerSchema,
  type Batch,
  BatchAnswerSchema,
  BatchSchema,
  HelloRequestSchema,
  HelloResponseSchema,
  ItemSchema,
  Node,
  Outcome,
  Status,
} from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Holder } from "../../src/storage/storage.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { within } from "../kit/wait.ts";

const HERE = "here:1";
const OTHER: Holder = { host: "other:1", life: "a life of the other" };

/** A message with a field that this version does not know: number 99, a text. */
function fromTheFuture<Sent extends Message>(message: Sent): Sent {
  const text = new TextEncoder().encode("\x06future");
  message.$unknown = [{ no: 99, wireType: WireType.LengthDelimited, data: text }];
  return message;
}

interface Scene extends AsyncDisposable {
  readonly hub: DistHub;
  /** As the other node calls this one. */
  readonly transport: Transport;
}

/** A node, and the server of another one that its storage names. */
async function meet(routes: (router: ConnectRouter) => void, ids: readonly string[] = []): Promise<Scene> {
  const storage = new MemoryStorage();
  await storage.renew(OTHER, 60_000);
  await storage.set(ids, OTHER);
  const hub = new DistHub({ storage, logger: silentLogger, limits: { timeoutMs: 1_000 } });
  const transport = createRouterTransport(new DistServer(hub).routes);
  const other = createRouterTransport(routes);
  await hub.join({ host: HERE, transport: (host) => (host === HERE ? transport : other) });
  return { hub, transport, [Symbol.asyncDispose]: () => hub.close() };
}

/** A node of which only this much is known. */
function hello(router: ConnectRouter): void {
  router.service(Node, { hello: () => create(HelloResponseSchema, { to: OTHER }) });
}

test("versions: fields that are unknown are ignored, in a call, in an item and in what it carries", async () => {
  await using scene = await meet(hello);
  const alice = await MemoryClient.open(scene.hub, { id: "alice" });
  const client = createClient(Node, scene.transport);
  const request = fromTheFuture(create(HelloRequestSchema, { from: OTHER }));
  if (request.from) fromTheFuture(request.from);
  const { to } = await client.hello(request);
  assert.equal(to?.host, HERE);
  const emit = create(ItemSchema, {
    kind: { case: "emit", value: { id: "alice", data: new TextEncoder().encode("hi") } },
  });
  if (emit.kind.case === "emit") fromTheFuture(emit.kind.value);
  const batch = create(BatchSchema, { line: "new", toLife: to?.life ?? "", number: 1n, items: [fromTheFuture(emit)] });
  const answer = await client.deliver(fromTheFuture(batch));
  assert.equal(answer.outcome, Outcome.TAKEN);
  assert.deepEqual(answer.answers.map(({ status }) => status), [Status.OK]);
  assert.equal(await alice.next(), "hi");
});

test("versions: an item of an unknown kind is refused alone, and what stands before and after it is done", async () => {
  await using scene = await meet(hello);
  const alice = await MemoryClient.open(scene.hub, { id: "alice" });
  const client = createClient(Node, scene.transport);
  const item = (text: string) =>
    create(ItemSchema, { kind: { case: "emit", value: { id: "alice", data: new TextEncoder().encode(text) } } });
  const items = [item("before"), fromTheFuture(create(ItemSchema)), item("after")];
  const toLife = scene.hub.holder?.life ?? "";
  const answer = await client.deliver(create(BatchSchema, { line: "new", toLife, number: 1n, items }));
  assert.deepEqual(answer.answers.map(({ status }) => status), [Status.OK, Status.INVALID, Status.OK]);
  assert.deepEqual(await alice.take(2), ["before", "after"]);
});

test("versions: a node that does not know a call says so, and its callers are told at once", async () => {
  await using scene = await meet(hello, ["bob"]);
  const alice = await MemoryClient.open(scene.hub, { id: "alice" });
  const { hub } = scene;
  await within(
    "the answer",
    assert.rejects(hub.emit("bob", "hi"), (error) => errorCode(error) === "unimplemented"),
  );
  assert.deepEqual(await hub.broadcast("to all"), { delivered: 1, held: 0, dropped: 0, unreachable: [OTHER.host] });
  assert.equal(await alice.next(), "to all");
  await hub.storage.subscribe("news", OTHER);
  const events: string[] = [];
  const watch = hub.watchPresence("news", { onEvent: ({ type, id }) => events.push(`${type} ${id}`) });
  await within("the watch", watch.ready);
  await hub.subscribe("alice", "news");
  assert.deepEqual(events, ["join alice"]);
  watch.close();
});

test("versions: an answer that is not understood is never taken for a delivery", async () => {
  const FUTURE = 99;
  for (const spoil of ["outcome", "status", "count"] as const) {
    async function* link(batches: AsyncIterable<Batch>) {
      for await (const { number, items } of batches) {
        const outcome = spoil === "outcome" ? (FUTURE as Outcome) : Outcome.TAKEN;
        const status = spoil === "status" ? (FUTURE as Status) : Status.OK;
        const answers = spoil === "count" ? [] : items.map(() => create(AnswerSchema, { status }));
        yield fromTheFuture(create(BatchAnswerSchema, { number, life: OTHER.life, outcome, answers }));
      }
    }
    const routes = (router: ConnectRouter): void => {
      router.service(Node, { hello: () => create(HelloResponseSchema, { to: OTHER }), link });
    };
    await using scene = await meet(routes, ["bob"]);
    const sent = within("the answer", scene.hub.emit("bob", "hi"));
    await assert.rejects(sent, (error) => ["unknown", "internal"].includes(errorCode(error) ?? ""), spoil);
  }
});
