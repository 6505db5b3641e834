import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { MeshError, type MeshErrorCode } from "../../src/base/error.ts";
import {
  type Answer,
  AnswerSchema,
  type Batch,
  BatchAnswerSchema,
  Outcome,
  Status,
} from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { onlineItem } from "../../src/link/items.ts";
import type { LineEvents } from "../../src/link/line.ts";
import { Link } from "../../src/link/link.ts";
import { afterTick } from "../../src/base/tick.ts";
import { withCode } from "../kit/storage.ts";

const TO = { host: "there:1", life: "b" };

/** A link whose lines are in the hands of the test. */
class LinkUnderTest {
  readonly link: Link;
  readonly sent: Batch[] = [];
  lines = 0;
  #events: LineEvents | undefined;

  constructor() {
    this.link = new Link({
      to: TO,
      from: undefined,
      open: (events) => {
        this.lines++;
        this.#events = events;
        return { send: (batch) => void this.sent.push(batch), close() {} };
      },
      keepOpen: true,
      maxInFlight: 4,
      maxBytes: 1_000_000,
      maxCalls: 1_000,
      silenceMs: 60_000,
      pingMs: 60_000,
      onActive() {},
      onOtherLife() {},
    });
  }

  /** Calls; it is not sent before the tick is over. */
  start(): Promise<Answer> {
    const { item, bytes } = onlineItem("alice");
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.link.call(item, bytes, performance.now() + 60_000, { resolve, reject });
    promise.catch(() => {});
    return promise;
  }

  /** Calls, and waits until that is sent. */
  async call(): Promise<{ answer: Promise<Answer> }> {
    const answer = this.start();
    await new Promise<void>((resolve) => afterTick(resolve));
    return { answer };
  }

  answer(number: bigint): void {
    const answers = [create(AnswerSchema, { status: Status.OK })];
    this.#events?.answered(create(BatchAnswerSchema, { number, life: TO.life, outcome: Outcome.TAKEN, answers }));
  }

  break(code: MeshErrorCode): void {
    this.#events?.broken(new MeshError(code, "the line broke"));
  }
}

test("link: what a refusing node took nothing of is rejected with the node's reason, not as in doubt", async () => {
  for (const code of ["unauthenticated", "permission_denied", "unimplemented"] as const) {
    const under = new LinkUnderTest();
    const first = await under.call();
    under.break(code);
    const again = under.start();
    await assert.rejects(first.answer, withCode(code));
    await assert.rejects(again, withCode(code), "the next call soon after");
    assert.equal(under.lines, 1);
    under.link.close();
  }
});

test("link: a call that may have been taken stays in doubt although its node refuses later", async () => {
  const under = new LinkUnderTest();
  const known = await under.call();
  under.answer(1n);
  await known.answer;
  const doubtful = await under.call();
  under.break("unknown");
  assert.equal(under.lines, 2);
  under.break("unauthenticated");
  await assert.rejects(doubtful.answer, withCode("unknown"));
  under.link.close();
});

test("link: a node that cannot be reached is unavailable, also for the calls soon after", async () => {
  const under = new LinkUnderTest();
  const first = await under.call();
  under.break("unavailable");
  const again = under.start();
  await assert.rejects(first.answer, withCode("unavailable"));
  await assert.rejects(again, withCode("unavailable"));
  assert.equal(under.lines, 1);
  under.link.close();
});

test("link: when its node leaves, a call without an answer may have been taken and is never said to be unsent", async () => {
  const under = new LinkUnderTest();
  const sent = await under.call();
  const unsent = under.start();
  under.link.close(new MeshError("unavailable", "that node has left"));
  await assert.rejects(unsent, withCode("unavailable"));
  await assert.rejects(sent.answer, withCode("unknown"));
});

test("link: what a broken line left unanswered is sent again with its number", async () => {
  const under = new LinkUnderTest();
  const known = await under.call();
  under.answer(1n);
  await known.answer;
  const call = await under.call();
  under.break("unknown");
  assert.deepEqual(under.sent.map(({ number }) => number), [1n, 2n, 2n]);
  assert.equal(under.sent[1]?.line, under.sent[2]?.line);
  under.answer(2n);
  assert.equal((await call.answer).status, Status.OK);
  under.link.close();
});
