import { create } from "@bufbuild/protobuf";
import { clusterNode, type DistHub } from "../../src/distributed/dist-hub.ts";
import { Frame } from "../../src/send/frame.ts";
import { Deltas } from "../../src/client/delta/deltas.ts";
import { Newest, type SlowClient } from "../../src/client/slow/newest.ts";
import { Ledger } from "../../src/client/resume/ledger.ts";
import { Protocol } from "../../src/client/resume/protocol.ts";
import { ResumeToken } from "../../src/client/resume/resume-token.ts";
import { RedisHistory } from "../../src/history/redis.ts";
import { HISTORY_SCRIPTS } from "../../src/history/scripts.ts";
import { Histories } from "../../src/hub/history/histories.ts";
import { Tail } from "../../src/hub/history/tail.ts";
import { errorCode } from "../../src/base/error.ts";
import { BatchAnswerSchema, BatchSchema } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { randomId } from "../../src/base/random-id.ts";
import type { Storage } from "../../src/storage/storage.ts";
import type { Defect } from "./node-control.ts";

/** The storage, or one that breaks its contract. */
export function spoilStorage(storage: Storage, defect: Defect | undefined): Storage {
  if (defect !== "release without compare") return storage;
  const del: Storage["del"] = async (entries, options) => {
    const ids = entries.map(({ id }) => id);
    const present = await storage.get(ids);
    const found = present.flatMap((entry, index) => (entry ? [{ ...entry, id: ids[index] ?? "" }] : []));
    if (found.length > 0) await storage.del(found, options);
    return ids.map(() => true);
  };
  return new Proxy(storage, {
    get(target, name) {
      if (name === "del") return del;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) as unknown : member;
    },
  });
}

/** Breaks a hub that has joined. */
export function spoil(hub: DistHub, defect: Defect | undefined): void {
  // What such a release erases would be noticed by a look at it, and made again.
  if (defect === "release without compare") clusterNode(hub).cluster.neighbours.reclaim.isLost = () => false;
  if (defect === "no inbox window") forgetNumbers(hub);
  if (defect === "retry without dedupe") retryBlindly(hub);
}

/** Breaks the way in which the clients of this process resume. */
export function spoilResume(defect: Defect | undefined): void {
  if (defect === "no escape") Object.defineProperty(Frame.prototype, "forV1", { get: unescaped });
  if (defect === "ack before handling") acknowledgeAtOnce();
  if (defect === "token reusable") ResumeToken.prototype.proven = () => {};
  if (defect === "state fetched twice") arriveTwice();
}

/** Breaks the history of this process's topics. */
export function spoilHistory(defect: Defect | undefined): void {
  if (defect === "epoch kept after a wipe") keepEpochs();
  if (defect === "live not held during a replay") Tail.prototype.since = () => [];
  if (defect === "gap untold") Histories.prototype.gap = () => {};
  if (defect === "keys forgotten") forgetKeys();
  if (defect === "difference to another message") mistakeDeltas();
  if (defect === "older after newer") keepOlder();
}

/** Clients that get differences put another message together than was published. */
function mistakeDeltas(): void {
  const next = Reflect.get(Deltas.prototype, "next");
  Deltas.prototype.next = function (frame) {
    const other = Frame.of(String(frame.payload).replace("little", "much"));
    Object.assign(other, { place: frame.place, tagged: frame.tagged });
    next.call(this, other);
    // Of the next message it is the base.
    next.call(this, frame);
    if (other.delta) frame.delta = other.delta;
  };
}

/** A message that waits for a slow client goes out after newer ones. */
function keepOlder(): void {
  const keep = Reflect.get(Newest.prototype, "keep");
  Newest.prototype.keep = function (client: SlowClient, frames, bytes) {
    return client.outbox.lags(bytes) && keep.call(this, client, frames, bytes);
  };
}

function keepEpochs(): void {
  const same = (script: string): string =>
    script.replace("local function open(fresh,", "local fresh = 'same'\nlocal function open(_,");
  const { append, read } = HISTORY_SCRIPTS;
  Object.assign(HISTORY_SCRIPTS, { append: same(append), read: same(read) });
}

function forgetKeys(): void {
  const append = Reflect.get(RedisHistory.prototype, "append");
  RedisHistory.prototype.append = function (topic, messages, ...args) {
    return append.call(this, topic, messages.map(({ data }) => ({ data })), ...args);
  };
}

function unescaped(this: Frame): Frame {
  return this;
}

function acknowledgeAtOnce(): void {
  const read = Reflect.get(Protocol.prototype, "read");
  const handled = Reflect.get(Protocol.prototype, "handled");
  Protocol.prototype.read = function (message) {
    const own = read.call(this, message);
    if (own !== undefined) handled.call(this, own.length);
    return own;
  };
  Protocol.prototype.handled = () => {};
}

function arriveTwice(): void {
  const arrive = Reflect.get(Ledger.prototype, "arrive");
  Ledger.prototype.arrive = function (received, count, frames) {
    arrive.call(this, received, count, [...frames, ...frames]);
  };
}

/** Every batch is taken as if it were the first of a new line. */
function forgetNumbers(hub: DistHub): void {
  const { inbox } = clusterNode(hub).cluster.incoming;
  const deliver = inbox.deliver.bind(inbox);
  inbox.deliver = async (batch) => {
    if (batch.number === 0n) return await deliver(batch);
    const answer = await deliver(create(BatchSchema, { ...batch, line: randomId(), number: 1n }));
    return create(BatchAnswerSchema, { ...answer, number: batch.number });
  };
}

/** A message whose fate is unknown is sent again as a new one. */
function retryBlindly(hub: DistHub): void {
  const emit = hub.emit.bind(hub);
  hub.emit = async (...args) => {
    try {
      return await emit(...args);
    } catch (error) {
      if (errorCode(error) === "invalid_argument") throw error;
      return await emit(...args);
    }
  };
}
