import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { MeshError } from "../../src/base/error.ts";
import { AnswerSchema, Status } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { onlineItem } from "../../src/link/items.ts";
import type { Caller } from "../../src/link/send-window.ts";
import { Router } from "../../src/cluster/router.ts";
import type { Holder } from "../../src/storage/storage.ts";
import type { MemoryStorage } from "../../src/storage/memory.ts";
import { afterTick } from "../../src/base/tick.ts";
import { WatchedStorage } from "../kit/watched-storage.ts";

const OLD: Holder = { host: "old:1", life: "o" };
const NEW: Holder = { host: "new:1", life: "n" };

interface Sent {
  readonly to: string;
  answer(status: Status): void;
  fail(error: MeshError): void;
}

/** A router over a storage in memory where two nodes live, with its calls held open. */
async function makeRouter(): Promise<{ router: Router; storage: MemoryStorage; sent: Sent[]; gets: () => number }> {
  const storage = new WatchedStorage();
  for (const holder of [OLD, NEW]) await storage.renew(holder, 60_000);
  const sent: Sent[] = [];
  const start = (to: Holder, _item: unknown, _deadlineMs: number, caller: Caller): void => {
    sent.push({
      to: to.host,
      answer: (status) => caller.resolve(create(AnswerSchema, { status })),
      fail: (error) => caller.reject(error),
    });
  };
  const router = new Router({ storage, maxRoutes: 100, links: { start } });
  return { router, storage, sent, gets: () => storage.commands.filter((name) => name === "get").length };
}

function ask(router: Router): Promise<Status | undefined> {
  return router.call("alice", onlineItem("alice"), performance.now() + 5_000).then((answer) => answer?.status);
}

/** Lets everything happen that needs no answer: a look-up, and what it leads to, take few ticks. */
async function idle(): Promise<void> {
  for (let tick = 0; tick < 5; tick++) await new Promise<void>((resolve) => afterTick(resolve));
}

test("router: of the calls that went a stale way, however late they learn it, only the first asks the storage", async () => {
  const { router, storage, sent, gets } = await makeRouter();
  await storage.set(["alice"], OLD);
  const calls = [ask(router), ask(router), ask(router)];
  await idle();
  await storage.set(["alice"], NEW);
  assert.deepEqual(sent.map(({ to }) => to), [OLD.host, OLD.host, OLD.host]);
  for (const late of sent.splice(0)) {
    late.answer(Status.NOT_HERE);
    await idle();
    assert.deepEqual(sent.map(({ to }) => to), [NEW.host]);
    sent.pop()?.answer(Status.OK);
  }
  assert.deepEqual(await Promise.all(calls), [Status.OK, Status.OK, Status.OK]);
  assert.equal(gets(), 2);
});

test("router: a call that met two stale ways in turn still asks the storage before it says that nobody is there", async () => {
  const { router, storage, sent } = await makeRouter();
  await storage.set(["alice"], OLD);
  const calls = [ask(router), ask(router)];
  await idle();
  await storage.set(["alice"], NEW);
  const [first, second] = sent.splice(0);
  first?.answer(Status.NOT_HERE);
  await idle();
  second?.answer(Status.NOT_HERE);
  await idle();
  await storage.set(["alice"], OLD);
  for (const late of sent.splice(0)) late.answer(Status.NOT_HERE);
  await idle();
  assert.equal(sent.at(-1)?.to, OLD.host);
  for (const last of sent) last.answer(Status.OK);
  assert.deepEqual(await Promise.all(calls.slice(1)), [Status.OK]);
});

test("router: a node that cannot be reached is not asked again while the storage still names it", async () => {
  const { router, storage, sent, gets } = await makeRouter();
  await storage.set(["alice"], OLD);
  const calls = [ask(router), ask(router)];
  await idle();
  const error = new MeshError("unavailable", "down");
  for (const one of sent.splice(0)) one.fail(error);
  const results = await Promise.allSettled(calls);
  assert.deepEqual(results.map((result) => result.status === "rejected" && (result.reason as unknown)), [error, error]);
  assert.deepEqual([sent.length, gets()], [0, 2]);
});
