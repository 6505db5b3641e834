/** What a node's neighbours can do to it: refuse, fall silent, answer slowly, break off, and lose its answers. */
import assert from "node:assert/strict";
import process from "node:process";
import { after, afterEach, before, test } from "node:test";
import { ChaosCluster, type Seat } from "../kit/chaos-cluster.ts";
import { crowd, duplicates, type Member, member, timed } from "../kit/crowd.ts";
import type { Outcome, VerbCall } from "../kit/node-control.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const LONG = process.env["MESHSOCKET_LONG"] !== undefined;
const DEADLINE_MS = 2_000;
const SLACK_MS = 700;
const MAX_LINK_CALLS = 500;

let cluster: ChaosCluster;

before(async () => {
  cluster = await ChaosCluster.start({ store: "redis", leaseMs: 15_000, limits: { maxLinkCalls: MAX_LINK_CALLS } });
});

afterEach(() => {
  for (const { rpc, node } of cluster.seats) {
    node.signal("SIGCONT");
    rpc.refuse(false);
    rpc.resume();
  }
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Ways to say nothing. */
const SILENCES: readonly (readonly [what: string, hush: (seat: Seat) => void])[] = [
  ["that stands still", ({ node }) => node.signal("SIGSTOP")],
  ["behind a black hole", ({ rpc }) => rpc.shape({ swallow: true })],
  ["whose line is held up", ({ rpc }) => rpc.pause()],
];

let names = 0;

/** A sender on the runtime of this test, a faulty neighbour and a sound one, each with a client whose route the sender knows. */
async function neighbours(): Promise<{
  sender: Seat["node"];
  faulty: Seat & { readonly client: Member };
  sound: Seat & { readonly client: Member };
}> {
  const from = cluster.on(runtime);
  const [one, other] = cluster.others(from) as [Seat, Seat];
  const clients = [await member(one.node, `peer-${names++}`), await member(other.node, `peer-${names++}`)] as const;
  for (const { id } of clients) {
    await until(`${id} to be reached`, () => from.node.hub.emit(id, "route").catch(() => false));
  }
  return { sender: from.node, faulty: { ...one, client: clients[0] }, sound: { ...other, client: clients[1] } };
}

function emits(id: string, count: number, text: string): VerbCall[] {
  return Array.from({ length: count }, (_, index) => ["emit", id, `${text} ${index}`]);
}

function isTrue(outcome: Outcome | undefined): boolean {
  return outcome !== undefined && "value" in outcome && outcome.value === true;
}

function codes(outcomes: readonly Outcome[]): string[] {
  return [...new Set(outcomes.map((one) => ("code" in one ? one.code : String(one.value))))];
}

/** What was reported as delivered, and did not arrive. */
function lost(outcomes: readonly Outcome[], client: Member, text: string): string[] {
  const got = new Set(client.got);
  return outcomes.flatMap((outcome, index) => {
    const message = `${text} ${index}`;
    return isTrue(outcome) && !got.has(message) ? [message] : [];
  });
}

/** Messages of a text that arrived after a later one. */
function disorder({ got }: Member, text: string): string[] {
  const numbers = got.filter((one) => one.startsWith(`${text} `)).map((one) => Number(one.slice(text.length + 1)));
  return numbers.filter((number, index) => index > 0 && number < (numbers[index - 1] ?? 0)).map(String);
}

test("a neighbour that refuses is unavailable at once, and reached again when it does not", async () => {
  const { sender, faulty: { node, rpc, client }, sound } = await neighbours();
  rpc.shut();
  rpc.cut();
  await until("the broken line to be noticed", async () => {
    const { ms, error } = await timed(sender.hub.emit(client.id, "probe"));
    assert.ok(ms < DEADLINE_MS + SLACK_MS);
    return (error as { code?: string } | undefined)?.code === "unavailable";
  });
  const { ms, value = [] } = await timed(sender.callAll(emits(client.id, 50, "refused")));
  assert.deepEqual(codes(value), ["unavailable"]);
  assert.ok(ms < 500, `it took ${ms} ms`);
  assert.ok((await sender.callAll(emits(sound.client.id, 50, "sound"))).every(isTrue));
  await rpc.listenAgain();
  await until("the neighbour to be reached", () => sender.hub.emit(client.id, "again").catch(() => false));
  assert.equal(await node.hub.emit(client.id, "end"), true);
  await client.awaits("end");
  assert.deepEqual(client.got.filter((text) => text.startsWith("refused")), []);
});

for (const [what, hush] of SILENCES) {
  test(`a neighbour ${what} costs its callers their deadline and nobody else anything`, async () => {
    const { sender, faulty, sound } = await neighbours();
    const { client } = faulty;
    hush(faulty);
    const dead = timed(sender.callAll(emits(client.id, 200, "silent")));
    const delays: number[] = [];
    for (let round = 0; round < 40; round++) {
      const { ms, value = [] } = await timed(sender.callAll(emits(sound.client.id, 5, `sound ${round}`)));
      assert.ok(value.every(isTrue));
      delays.push(ms);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { ms, value = [] } = await dead;
    assert.ok(ms < DEADLINE_MS + SLACK_MS, `the deadline was passed: ${ms} ms`);
    assert.ok(value.every((outcome) => "code" in outcome), JSON.stringify(codes(value)));
    const p90 = delays.toSorted((a, b) => a - b)[Math.floor(delays.length * 0.9)] ?? 0;
    assert.ok(p90 < 200, `sends to the other neighbour took ${p90} ms`);
    faulty.node.signal("SIGCONT");
    faulty.rpc.resume();
    await until("the neighbour to be reached", () => sender.hub.emit(client.id, "again").catch(() => false));
    await client.awaits("again");
    assert.equal(duplicates([client]), 0);
    assert.deepEqual(disorder(client, "silent"), []);
  });
}

test("what waits for a slow neighbour is bounded, and refused fast beyond that", async () => {
  const { sender, faulty: { rpc, client } } = await neighbours();
  rpc.shape({ bytesPerSecond: 2_000 }, ["there"]);
  const text = "x".repeat(1_000);
  const { ms, value = [] } = await timed(sender.callAll(emits(client.id, 2 * MAX_LINK_CALLS, text)));
  assert.ok(ms < DEADLINE_MS + SLACK_MS, `it took ${ms} ms`);
  assert.equal(value.filter((one) => "code" in one && one.code === "resource_exhausted").length, MAX_LINK_CALLS);
  rpc.resume();
  await until("the neighbour to be reached", () => sender.hub.emit(client.id, "again").catch(() => false));
  await client.awaits("again");
  assert.deepEqual(lost(value, client, text), []);
  assert.equal(duplicates([client]), 0);
  assert.deepEqual(disorder(client, text), []);
});

test("sliced into single bytes, late and in both directions, everything arrives once and in order", async () => {
  const { sender, faulty: { rpc, client } } = await neighbours();
  rpc.shape({ sliceBytes: 1, latencyMs: 5 });
  const outcomes = await sender.callAll(emits(client.id, 100, "sliced"), 20);
  assert.ok(outcomes.every(isTrue), JSON.stringify(codes(outcomes)));
  await client.awaits("sliced 99");
  assert.deepEqual(client.got, ["route", ...emits("", 100, "sliced").map(([, , text]) => text)]);
});

test("answers lost after the delivery, again and again, bring nothing twice and lose nothing that was reported", async () => {
  const { sender, faulty: { rpc, client } } = await neighbours();
  const rounds = LONG ? 200 : 12;
  for (let round = 0; round < rounds; round++) {
    const text = `round ${round}`;
    rpc.shape({ swallow: true }, ["back"]);
    const sent = sender.callAll(emits(client.id, 5, text));
    await until("the delivery", () => client.got.includes(`${text} 4`));
    rpc.shape({}, ["back"]);
    if (round % 3 === 0) rpc.cut();
    else if (round % 3 === 1) rpc.reset();
    else rpc.halfClose("back");
    const outcomes = await sent;
    assert.deepEqual(codes(outcomes), ["true"], text);
  }
  assert.equal(duplicates([client]), 0);
  assert.equal(client.got.length, 1 + 5 * rounds);
});

test("lines that are cut, reset and half closed under traffic lose nothing that was reported, and bring nothing twice", async () => {
  const { sender, faulty: { rpc, client } } = await neighbours();
  const sent = sender.callAll(emits(client.id, MAX_LINK_CALLS, "cut"), 2);
  for (let fault = 0; fault < 10; fault++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const faults = [() => rpc.cut(), () => rpc.reset(), () => rpc.halfClose("there"), () => rpc.halfClose("back")];
    faults[fault % faults.length]?.();
  }
  const outcomes = await sent;
  await until("the neighbour to be reached", () => sender.hub.emit(client.id, "end").catch(() => false));
  await client.awaits("end");
  assert.deepEqual(lost(outcomes, client, "cut"), []);
  assert.equal(duplicates([client]), 0);
  assert.deepEqual(disorder(client, "cut"), []);
});

test("a partition one way leaves the other way alone", async () => {
  const { sender, faulty: { node, rpc, client } } = await neighbours();
  const here = await member(sender, "one-way");
  assert.equal(await node.hub.emit(here.id, "route"), true);
  rpc.pause();
  const { ms, error } = await timed(sender.hub.emit(client.id, "there"));
  assert.ok(error !== undefined && ms < DEADLINE_MS + SLACK_MS, `${ms} ms`);
  const outcomes = await node.callAll(emits(here.id, 50, "back"));
  assert.ok(outcomes.every(isTrue), JSON.stringify(codes(outcomes)));
  assert.deepEqual(sender.events.filter(({ type }) => type === "nodeleave"), []);
});

test("a broadcast counts every client once and names the neighbour that does not answer", async () => {
  const { sender, faulty: { node, rpc }, sound } = await neighbours();
  const clients = await crowd(sound.node, "broadcast", 10);
  rpc.pause();
  const { delivered, unreachable } = await sender.hub.broadcast("to all");
  assert.deepEqual(unreachable, [node.host]);
  assert.ok(delivered >= clients.length);
  for (const client of clients) await client.awaits("to all");
  assert.equal(duplicates(clients), 0);
});

test("what a line carried that was given up does not arrive after what was sent later", async () => {
  const { sender, faulty: { rpc, client } } = await neighbours();
  await sender.callAll(emits(client.id, 3, "before"));
  // The bytes are under way for longer than anybody waits, and meanwhile nobody can be dialled.
  rpc.pause();
  rpc.shut();
  await assert.rejects(sender.hub.emit(client.id, "older"));
  await until("the line to be given up", async () => {
    const { error } = await timed(sender.hub.emit(client.id, "probe"));
    return (error as { code?: string } | undefined)?.code === "unavailable";
  });
  rpc.shapeNew({});
  await rpc.listenAgain();
  await until("the neighbour to be reached", () => sender.hub.emit(client.id, "newer").catch(() => false));
  await client.awaits("newer");
  rpc.resume();
  await until("the neighbour to be reached", () => sender.hub.emit(client.id, "end").catch(() => false));
  await client.awaits("end");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(client.got.slice(4), ["newer", "end"]);
});
