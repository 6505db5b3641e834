import type { ServiceImpl } from "@connectrpc/connect";
import { CloseCode } from "../base/close-code.ts";
import type { DistHub } from "./dist-hub.ts";
import type { Cluster } from "../gen/meshsocket/v1/cluster_pb.ts";
import { deliveryMessage, payload, sendOptions, toReply } from "./service-messages.ts";

/** The calls of the Cluster service for the clients of a user. */
export function userService<Data>(hub: DistHub<Data>): Pick<ServiceImpl<typeof Cluster>, UserCall> {
  return {
    async userEmit({ user, data, binary, except }, context) {
      const delivery = await hub.user(user).emit(payload(data, binary), { ...sendOptions(context), except });
      return { delivery: deliveryMessage(delivery) };
    },
    async userOnline({ user }, context) {
      return { online: await hub.user(user).online(sendOptions(context)) };
    },
    async userClients({ user }, context) {
      const { ids, infos, unreachable } = await hub.user(user).clients({ ...sendOptions(context), info: true });
      const infoOf = (id: string): string => JSON.stringify(infos?.get(id)) ?? "";
      return { ids: [...ids], infos: ids.map(infoOf), unreachable: [...unreachable] };
    },
    async userRequest({ user, data, binary }, context) {
      return toReply(await hub.user(user).request(payload(data, binary), sendOptions(context)));
    },
    async userSubscribe({ user, topic }, context) {
      return { count: BigInt(await hub.user(user).subscribe(topic, sendOptions(context))) };
    },
    async userUnsubscribe({ user, topic }, context) {
      return { count: BigInt(await hub.user(user).unsubscribe(topic, sendOptions(context))) };
    },
    async userDisconnect({ user, code, reason }, context) {
      const closed = await hub.user(user).disconnect(code || CloseCode.Normal, reason, sendOptions(context));
      return { count: BigInt(closed) };
    },
  };
}

type UserCall =
  | "userEmit"
  | "userOnline"
  | "userClients"
  | "userRequest"
  | "userSubscribe"
  | "userUnsubscribe"
  | "userDisconnect";
