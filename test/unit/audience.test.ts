import assert from "node:assert/strict";
import { test } from "node:test";
import { Audience } from "../../src/cluster/topics/audience.ts";
import { MeshError } from "../../src/base/error.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Holder } from "../../src/storage/storage.ts";

const HERE: Holder = { host: "here:1", life: "here" };
const B: Holder = { host: "b:1", life: "b" };
const C: Holder = { host: "c:1", life: "c" };

class LookUps extends MemoryStorage {
  count = 0;
  down = false;

  override async subscribers(topic: string, publisher?: Holder): Promise<Holder[]> {
    this.count++;
    if (this.down) throw new MeshError("unavailable", "the storage is down");
    return await super.subscribers(topic, publisher);
  }
}

async function make(maxTopics = 10): Promise<{ storage: LookUps; audience: Audience }> {
  const storage = new LookUps();
  for (const holder of [HERE, B, C]) await storage.renew(holder, 60_000);
  return { storage, audience: new Audience({ storage, node: { holder: HERE }, maxTopics }) };
}

function lives(audience: Audience, topic: string, otherwise?: () => Holder[]): Promise<string[]> {
  return audience.find(topic, async (nodes) => Array.from(nodes, ({ life }) => life).sort(), otherwise);
}

test("audience: a topic is looked up once, however many ask", async () => {
  const { storage, audience } = await make();
  await storage.subscribe("news", B);
  await Promise.all(Array.from({ length: 10 }, () => lives(audience, "news")));
  assert.deepEqual(await lives(audience, "news"), ["b"]);
  assert.equal(storage.count, 1);
});

test("audience: who waited for a look-up is never overtaken by who comes just after it", async () => {
  const { storage, audience } = await make();
  await storage.subscribe("news", B);
  const order: number[] = [];
  const calls: Promise<void>[] = [];
  const call = (number: number): void => {
    calls.push(audience.find("news", async () => void order.push(number)));
  };
  call(0);
  call(1);
  // Every turn between the answer and the moment that the waiters have it.
  for (let number = 2; number < 30; number++) {
    await Promise.resolve();
    call(number);
  }
  await Promise.all(calls);
  assert.deepEqual(order, Array.from({ length: 30 }, (_, number) => number));
});

test("audience: when the storage fails, everyone is asked rather than nobody, and the next call looks again", async () => {
  const { storage, audience } = await make();
  await storage.subscribe("news", B);
  storage.down = true;
  assert.deepEqual(await lives(audience, "news", () => [B, C]), ["b", "c"]);
  await assert.rejects(lives(audience, "news"), { code: "unavailable" });
  storage.down = false;
  assert.deepEqual(await lives(audience, "news"), ["b"]);
});

test("audience: an entry that failed and that nobody knows has its topic looked up again", async () => {
  const { storage, audience } = await make();
  await storage.subscribe("news", B);
  let entry: Holder | undefined;
  await audience.find("news", async (nodes) => void ([entry] = nodes));
  await storage.leave(B);
  assert.ok(entry);
  audience.doubt("news", entry);
  assert.deepEqual(await lives(audience, "news"), []);
  assert.equal(storage.count, 2);
  audience.announced("news", C);
  audience.doubt("news", entry);
  assert.deepEqual(await lives(audience, "news"), ["c"]);
  assert.equal(storage.count, 2);
});

test("audience: after a wipe what was known stays known until everyone has written it again", async () => {
  const { storage, audience } = await make();
  await storage.subscribe("news", B);
  await storage.subscribe("news", C);
  await lives(audience, "news");
  storage.wipe();
  for (const holder of [HERE, B, C]) await storage.renew(holder, 60_000);
  audience.clear();
  audience.clear();
  audience.forgetLife(C.life);
  assert.deepEqual(await lives(audience, "news"), ["b"]);
  assert.deepEqual(await storage.subscribe("news", B), [HERE]);
});

test("audience: it remembers a bounded number of topics, before and after a wipe", async () => {
  const { storage, audience } = await make(2);
  for (const topic of ["1", "2", "3"]) {
    await storage.subscribe(topic, B);
    await lives(audience, topic);
  }
  audience.clear();
  storage.wipe();
  for (const holder of [HERE, B]) await storage.renew(holder, 60_000);
  assert.deepEqual([await lives(audience, "1"), await lives(audience, "2"), await lives(audience, "3")], [
    [],
    ["b"],
    ["b"],
  ]);
});
