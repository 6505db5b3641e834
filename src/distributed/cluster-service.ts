import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { CloseCode } from "../base/close-code.ts";
import type { DistHub } from "./dist-hub.ts";
import { Frame } from "../send/frame.ts";
import type { Cluster } from "../gen/meshsocket/v1/cluster_pb.ts";
import type { Delivery, SendOptions } from "../send/verbs.ts";

const encoder = new TextEncoder();
/** A gRPC deadline may be far longer than a call can wait. */
const MAX_TIMEOUT_MS = 2_147_483_647;

/** The service for back-ends in any language: the verbs of the hub, through any node. */
export function clusterService<Data>(hub: DistHub<Data>): ServiceImpl<typeof Cluster> {
  return {
    async emit({ id, data, binary }, context) {
      return { accepted: await hub.emit(id, payload(data, binary), sendOptions(context)) };
    },
    async online({ id }, context) {
      return { online: await hub.online(id, sendOptions(context)) };
    },
    async broadcast({ data, binary, except }, context) {
      const delivery = await hub.broadcast(payload(data, binary), { ...sendOptions(context), except });
      return { delivery: deliveryMessage(delivery) };
    },
    async publish({ topic, data, binary, except }, context) {
      const delivery = await hub.publish(topic, payload(data, binary), { ...sendOptions(context), except });
      return { delivery: deliveryMessage(delivery) };
    },
    async members({ topic }, context) {
      const { ids, infos, unreachable } = await hub.members(topic, { ...sendOptions(context), info: true });
      const infoOf = (id: string): string => JSON.stringify(infos?.get(id)) ?? "";
      return { ids: [...ids], infos: ids.map(infoOf), unreachable: [...unreachable] };
    },
    async count({ topic }, context) {
      const { count, unreachable } = await hub.count(topic, sendOptions(context));
      return { count: BigInt(count), unreachable: [...unreachable] };
    },
    async request({ id, data, binary }, context) {
      const reply = await hub.request(id, payload(data, binary), sendOptions(context));
      return typeof reply === "string" ? { data: encoder.encode(reply) } : { data: reply, binary: true };
    },
    async subscribe({ id, topic }, context) {
      return { found: await hub.subscribe(id, topic, sendOptions(context)) };
    },
    async unsubscribe({ id, topic }, context) {
      return { found: await hub.unsubscribe(id, topic, sendOptions(context)) };
    },
    async disconnect({ id, code, reason }, context) {
      return { found: await hub.disconnect(id, code || CloseCode.Normal, reason, sendOptions(context)) };
    },
    nodes() {
      return { nodes: hub.nodes().map(({ host }) => ({ host })) };
    },
  };
}

/** What a hub's verbs take. Throws a TypeError (`invalid_argument`) for text that is not UTF-8. */
function payload(data: Uint8Array, binary: boolean): string | Uint8Array {
  return Frame.fromBytes(data, binary).payload;
}

/** The caller's deadline, if it set one, and the end of its call. */
function sendOptions(context: HandlerContext): SendOptions {
  const timeoutMs = context.timeoutMs();
  const within = timeoutMs === undefined ? undefined : Math.min(Math.max(1, timeoutMs), MAX_TIMEOUT_MS);
  return { signal: context.signal, timeoutMs: within };
}

function deliveryMessage(delivery: Delivery): { delivered: bigint; dropped: bigint; unreachable: string[] } {
  return {
    delivered: BigInt(delivery.delivered),
    dropped: BigInt(delivery.dropped),
    unreachable: [...delivery.unreachable],
  };
}
