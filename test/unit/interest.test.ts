import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { Interest, type InterestDependencies } from "../../src/cluster/topics/interest.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Holder } from "../../src/storage/storage.ts";

const HERE: Holder = { host: "here:1", life: "here" };
const THERE: Holder = { host: "there:1", life: "there" };

/** A storage whose writes of topics are seen, and fail when a test says so. */
class TopicStorage extends MemoryStorage {
  readonly writes: string[] = [];
  failing = 0;
  atOnce = 0;
  mostAtOnce = 0;

  override async subscribe(topic: string, holder: Holder): Promise<Holder[]> {
    await this.#begin(`+${topic}`);
    return await super.subscribe(topic, holder);
  }

  override async unsubscribe(topic: string, holder: Holder): Promise<void> {
    await this.#begin(`-${topic}`);
    await super.unsubscribe(topic, holder);
  }

  async #begin(write: string): Promise<void> {
    this.writes.push(write);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.atOnce--;
    if (this.failing > 0 && this.failing-- > 0) throw new MeshError("unavailable", "the storage is down");
  }
}

async function make(
  options: Partial<InterestDependencies> = {},
): Promise<{ storage: TopicStorage; interest: Interest }> {
  const storage = new TopicStorage();
  for (const holder of [HERE, THERE]) await storage.renew(holder, 60_000);
  const interest = new Interest({
    storage,
    node: { holder: HERE },
    timeoutMs: 1_000,
    links: { call: async () => {} },
    logger: silentLogger,
    ...options,
  });
  return { storage, interest };
}

/** Lets everything run that needs no more than the storage. */
async function quiet(storage: TopicStorage): Promise<void> {
  for (let turns = 0; turns < 3; turns++) {
    do await new Promise((resolve) => setTimeout(resolve, 1)); while (storage.atOnce > 0);
  }
}

async function subscribed(storage: TopicStorage, topic: string): Promise<boolean> {
  return (await storage.subscribers(topic)).some(({ life }) => life === HERE.life);
}

test("interest: writes of one topic take effect in their order, however fast listeners come and go", async () => {
  const { storage, interest } = await make();
  const wishes: Promise<void>[] = [];
  for (let round = 0; round < 5; round++) {
    wishes.push(interest.want("news"));
    interest.unwant("news");
  }
  wishes.push(interest.want("news"));
  await Promise.all(wishes);
  await quiet(storage);
  assert.equal(storage.mostAtOnce, 1);
  assert.equal(await subscribed(storage, "news"), true);
});

test("interest: a restore that the storage refuses rejects, so that it is tried again", async () => {
  const { storage, interest } = await make();
  await interest.want("news");
  storage.wipe();
  for (const holder of [HERE, THERE]) await storage.renew(holder, 60_000);
  storage.failing = 1;
  await assert.rejects(interest.restore(), { code: "unavailable" });
  await interest.restore();
  assert.equal(await subscribed(storage, "news"), true);
});

test("interest: restoring many topics asks the storage for a bounded number at a time", async () => {
  const { storage, interest } = await make();
  const topics = Array.from({ length: 500 }, (_, index) => `topic ${index}`);
  await Promise.all(topics.map((topic) => interest.want(topic)));
  storage.mostAtOnce = 0;
  await interest.restore();
  assert.ok(storage.mostAtOnce <= 64, `${storage.mostAtOnce} at once`);
});

test("interest: a restore does not wait for publishers that are silent", async () => {
  let silent = false;
  const { storage, interest } = await make({
    links: { call: () => silent ? new Promise(() => {}) : Promise.resolve() },
  });
  await storage.subscribers("news", THERE);
  await interest.want("news");
  silent = true;
  await interest.restore();
});

test("interest: what publishers sent before a restore had told them is looked for after that", async () => {
  const told = Promise.withResolvers<void>();
  let looked = 0;
  const call = (): Promise<void> => told.promise;
  const { storage, interest } = await make({ links: { call }, toldLate: () => void looked++, timeoutMs: 10 });
  const wanted = interest.want("news");
  await wanted;
  await storage.subscribers("news", THERE);
  await interest.restore();
  assert.equal(looked, 0);
  told.resolve();
  await quiet(storage);
  assert.equal(looked, 1);
});

test("interest: a withdrawal that failed is made sure of, also when the topic is wanted again", async () => {
  const { storage, interest } = await make();
  await interest.want("news");
  storage.failing = 1;
  interest.unwant("news");
  await quiet(storage);
  assert.equal(await subscribed(storage, "news"), true);
  interest.retry();
  await quiet(storage);
  assert.equal(await subscribed(storage, "news"), false);
  await interest.want("news");
  storage.failing = 1;
  interest.unwant("news");
  await quiet(storage);
  await interest.want("news");
  // The lost withdrawal takes effect after all.
  await storage.unsubscribe("news", HERE);
  interest.retry();
  await quiet(storage);
  assert.equal(await subscribed(storage, "news"), true);
  storage.writes.length = 0;
  interest.retry();
  await quiet(storage);
  assert.deepEqual(storage.writes, []);
});

test("interest: a publisher that could not be told is told at the next renewal", async () => {
  const told: string[] = [];
  let reachable = false;
  const call = async ({ life }: Holder): Promise<void> => {
    if (!reachable) throw new MeshError("unavailable", "not reached");
    told.push(life);
  };
  const { storage, interest } = await make({ links: { call } });
  await storage.subscribers("news", THERE);
  await interest.want("news");
  reachable = true;
  interest.retry();
  await quiet(storage);
  assert.deepEqual(told, [THERE.life]);
  interest.retry();
  await quiet(storage);
  assert.deepEqual(told, [THERE.life]);
});
