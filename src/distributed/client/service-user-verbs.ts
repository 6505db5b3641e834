import type { CallOptions, Client } from "@connectrpc/connect";
import type { Cluster } from "../../gen/meshsocket/v1/cluster_pb.ts";
import { deliveryOf, fromReply, toMany } from "../service-messages.ts";
import type { Frame } from "../../send/frame.ts";
import { membersOf } from "../../send/members.ts";
import type { Delivery, Except, Members, MembersOptions, SendOptions } from "../../send/verbs.ts";
import type { UserVerbs } from "../../send/user-verbs.ts";

/** The verbs for a user through any one node, by the Cluster service. */
export class ServiceUserVerbs implements UserVerbs {
  readonly #service: ServiceCaller;

  constructor(service: ServiceCaller) {
    this.#service = service;
  }

  async emit(user: string, frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    const request = { user, ...toMany(frame, except) };
    return deliveryOf((await this.#service.call(options, (client, call) => client.userEmit(request, call))).delivery);
  }

  async online(user: string, options: SendOptions): Promise<boolean> {
    return (await this.#service.call(options, (client, call) => client.userOnline({ user }, call))).online;
  }

  async clients(user: string, options: MembersOptions): Promise<Members> {
    const { ids, infos, unreachable } = await this.#service.call(
      options,
      (client, call) => client.userClients({ user }, call),
    );
    return membersOf(ids, infos, unreachable, options);
  }

  async request(user: string, { bytes, binary }: Frame, options: SendOptions): Promise<string | Uint8Array> {
    const request = { user, data: bytes, binary };
    return fromReply(await this.#service.call(options, (client, call) => client.userRequest(request, call)));
  }

  async subscribe(user: string, topic: string, options: SendOptions): Promise<number> {
    const request = { user, topic };
    return Number((await this.#service.call(options, (client, call) => client.userSubscribe(request, call))).count);
  }

  async unsubscribe(user: string, topic: string, options: SendOptions): Promise<number> {
    const request = { user, topic };
    return Number((await this.#service.call(options, (client, call) => client.userUnsubscribe(request, call))).count);
  }

  async disconnect(user: string, code: number, reason: string, options: SendOptions): Promise<number> {
    const request = { user, code, reason };
    return Number((await this.#service.call(options, (client, call) => client.userDisconnect(request, call))).count);
  }
}

/** Calls the Cluster service. */
export interface ServiceCaller {
  call<Result>(
    options: SendOptions,
    call: (client: Client<typeof Cluster>, options: CallOptions) => Promise<Result>,
  ): Promise<Result>;
}
