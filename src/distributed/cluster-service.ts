import type { ServiceImpl } from "@connectrpc/connect";
import type { ClusterWatchService } from "./watch-service.ts";
import { CloseCode } from "../base/close-code.ts";
import type { DistHub } from "./dist-hub.ts";
import type { Cluster } from "../gen/meshsocket/v1/cluster_pb.ts";
import { watchPresence } from "./presence-service.ts";
import { deliveryMessage, payload, sendOptions, toReply } from "./service-messages.ts";
import { userService } from "./user-service.ts";
import { historyOptions, historyResponse, positionMessage } from "./history-service.ts";

/** The service for back-ends in any language: the verbs of the hub, through any node. */
export function clusterService<Data>(hub: DistHub<Data>): Omit<ServiceImpl<typeof Cluster>, keyof ClusterWatchService> {
  return {
    async emit({ id, data, binary, confirm }, context) {
      return { accepted: await hub.emit(id, payload(data, binary), { ...sendOptions(context), confirm }) };
    },
    async online({ id }, context) {
      return { online: await hub.online(id, sendOptions(context)) };
    },
    async broadcast({ data, binary, except }, context) {
      const delivery = await hub.broadcast(payload(data, binary), { ...sendOptions(context), except });
      return { delivery: deliveryMessage(delivery) };
    },
    async publish({ topic, data, binary, except, key }, context) {
      const options = { ...sendOptions(context), except, key: key || undefined };
      const delivery = await hub.publish(topic, payload(data, binary), options);
      return { delivery: deliveryMessage(delivery) };
    },
    async history(request, context) {
      return historyResponse(await hub.history(request.topic, { ...historyOptions(request), ...sendOptions(context) }));
    },
    async position({ topic }, context) {
      return { position: positionMessage(await hub.position(topic, sendOptions(context))) };
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
      return toReply(await hub.request(id, payload(data, binary), sendOptions(context)));
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
    ...userService(hub),
    watchPresence: ({ topic, byUser }, { signal }) => watchPresence(hub, topic, byUser, signal),
  };
}
