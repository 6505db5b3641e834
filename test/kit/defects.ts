import { create } from "@bufbuild/protobuf";
import { clusterNode, type DistHub } from "../../src/distributed/dist-hub.ts";
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
