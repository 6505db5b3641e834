import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { AnswerSchema, BatchSchema, ItemSchema, Outcome, Status } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { Inbox } from "../../src/link/inbox.ts";
import { MeshError } from "../../src/base/error.ts";
import { SendWindow } from "../../src/link/send-window.ts";

/** An inbox that counts what it takes, with room for two lines. */
function makeInbox(): { send: (line: string, number: bigint) => Promise<Outcome>; taken: string[] } {
  const taken: string[] = [];
  const inbox = new Inbox({
    node: { servingLife: "life", isOver: (life) => life === "over" },
    maxLines: 2,
    receiver: {
      async receive(items) {
        for (const { kind } of items) taken.push(kind.case === "online" ? kind.value.id : "?");
        return items.map(() => create(AnswerSchema, { status: Status.OK }));
      },
    },
  });
  const send = async (line: string, number: bigint): Promise<Outcome> => {
    const item = create(ItemSchema, { kind: { case: "online", value: { id: `${line} ${number}` } } });
    const answer = await inbox.deliver(create(BatchSchema, { line, toLife: "life", number, items: [item] }));
    return answer.outcome;
  };
  return { send, taken };
}

test("inbox: a number is taken once, and only after the one before it", async () => {
  const { send, taken } = makeInbox();
  assert.equal(await send("a:0", 2n), Outcome.UNKNOWN);
  assert.equal(await send("a:0", 1n), Outcome.TAKEN);
  assert.equal(await send("a:0", 1n), Outcome.TAKEN);
  assert.equal(await send("a:0", 3n), Outcome.UNKNOWN);
  assert.equal(await send("a:0", 2n), Outcome.TAKEN);
  assert.deepEqual(taken, ["a:0 1", "a:0 2"]);
});

test("inbox: nothing of an older line is taken once its sender started a newer one", async () => {
  const { send, taken } = makeInbox();
  assert.equal(await send("a:0", 1n), Outcome.TAKEN);
  assert.equal(await send("a:2", 1n), Outcome.TAKEN);
  assert.equal(await send("a:0", 2n), Outcome.UNKNOWN);
  // Not even the start of one that was never heard of.
  assert.equal(await send("a:1", 1n), Outcome.UNKNOWN);
  assert.equal(await send("a:2", 2n), Outcome.TAKEN);
  assert.equal(await send("b:0", 1n), Outcome.TAKEN);
  assert.deepEqual(taken, ["a:0 1", "a:2 1", "a:2 2", "b:0 1"]);
});

test("inbox: what lines are remembered is bounded, and who was forgotten learns that its fate is unknown", async () => {
  const { send, taken } = makeInbox();
  for (const line of ["a:0", "b:0", "c:0"]) assert.equal(await send(line, 1n), Outcome.TAKEN);
  assert.equal(await send("a:0", 2n), Outcome.UNKNOWN);
  assert.equal(await send("c:0", 2n), Outcome.TAKEN);
  assert.equal(taken.length, 4);
});

test("inbox: a line's name is new whenever its numbers start again, and never another link's", async () => {
  const { send, taken } = makeInbox();
  const open = (): SendWindow => {
    return new SendWindow({ host: "b:1", life: "b" }, undefined, { maxInFlight: 1, maxBytes: 1, maxCalls: 1 });
  };
  const window = open();
  const first = window.name;
  window.startOver(new MeshError("unknown", "the numbers are lost"));
  assert.notEqual(window.name, first);
  assert.notEqual(open().name.split(":")[0], first.split(":")[0]);
  assert.equal(await send(window.name, 1n), Outcome.TAKEN);
  assert.equal(await send(first, 1n), Outcome.UNKNOWN);
  assert.equal(taken.length, 1);
});
