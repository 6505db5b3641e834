import type { Cluster } from "../cluster/cluster.ts";
import type { JoinedNode } from "../cluster/registry.ts";
import { abortable, deadlineOf } from "../send/deadline.ts";
import type { Frame } from "../send/frame.ts";
import { broadcastItem, publishItem } from "../link/items.ts";
import type { LocalVerbs } from "../hub/local.ts";
import { addMembers } from "../send/members.ts";
import type { Count, Delivery, Except, Members, MembersOptions, SendOptions, Verbs } from "../send/verbs.ts";

/** The verbs for the clients of every node: this node's at once, the others' through the cluster. */
export class DistVerbs<Data = unknown> implements Verbs {
  readonly #local: LocalVerbs<Data>;
  readonly #node: JoinedNode<Data>;
  readonly #timeoutMs: number;

  constructor(local: LocalVerbs<Data>, node: JoinedNode<Data>, timeoutMs: number) {
    this.#local = local;
    this.#node = node;
    this.#timeoutMs = timeoutMs;
  }

  emit(id: string, frame: Frame, options: SendOptions): Promise<boolean> {
    return this.#localOr(
      (local) => local.emit(id, frame),
      id,
      options,
      ({ reach }, deadlineMs) => reach.emit(id, frame, deadlineMs),
    );
  }

  online(id: string, options: SendOptions): Promise<boolean> {
    return this.#localOr(
      (local) => local.online(id),
      id,
      options,
      ({ reach }, deadlineMs) => reach.online(id, deadlineMs),
    );
  }

  subscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return this.#localOr(
      (local) => local.subscribe(id, topic, options),
      id,
      options,
      ({ reach }, deadlineMs) => reach.subscription(id, topic, true, deadlineMs),
    );
  }

  unsubscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return this.#localOr(
      (local) => local.unsubscribe(id, topic),
      id,
      options,
      ({ reach }, deadlineMs) => reach.subscription(id, topic, false, deadlineMs),
    );
  }

  disconnect(id: string, code: number, reason: string, options: SendOptions): Promise<boolean> {
    return this.#localOr(
      (local) => local.disconnect(id, code, reason),
      id,
      options,
      ({ reach }, deadlineMs) => reach.disconnect(id, code, reason, deadlineMs),
    );
  }

  async broadcast(frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    const { cluster } = this.#node;
    const local = this.#local.broadcast(frame, except);
    return await this.#within(options, async (deadlineMs) => {
      const remote = cluster.reach.toAll(cluster.neighbours.nodes(), broadcastItem(frame, except), deadlineMs);
      return sum(await local, await remote);
    });
  }

  async publish(topic: string, frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    const { cluster } = this.#node;
    const local = this.#local.publish(topic, frame, except);
    return await this.#within(options, async (deadlineMs) => {
      const remote = cluster.topics.find(
        topic,
        (nodes) =>
          cluster.reach.toAll(
            nodes,
            publishItem(topic, frame, except),
            deadlineMs,
            (n) => cluster.topics.notHere(topic, n),
            (n) => cluster.topics.noAnswer(topic, n),
          ),
      );
      return sum(await local, await remote);
    });
  }

  async members(topic: string, options: MembersOptions): Promise<Members> {
    const { cluster } = this.#node;
    return await this.#within(options, async (deadlineMs) => {
      const remote = await cluster.topics.find(
        topic,
        (nodes) =>
          cluster.reach.members(nodes, topic, !options.info, deadlineMs, (n) => cluster.topics.noAnswer(topic, n)),
      );
      return addMembers(await this.#local.members(topic, options), remote, options);
    });
  }

  async count(topic: string, options: SendOptions): Promise<Count> {
    const { cluster } = this.#node;
    return await this.#within(options, async (deadlineMs) => {
      const remote = await cluster.topics.find(
        topic,
        (nodes) => cluster.reach.count(nodes, topic, deadlineMs, (n) => cluster.topics.noAnswer(topic, n)),
      );
      const local = await this.#local.count(topic);
      return { count: local.count + remote.count, unreachable: remote.unreachable };
    });
  }

  async request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    const { cluster } = this.#node;
    if (this.#node.clients.get(id)) return await this.#local.request(id, frame, options);
    return await this.#within(options, (deadlineMs) => cluster.requests.ask(id, frame, deadlineMs));
  }

  /** What this node does when it holds the id, or what the node does that holds it. */
  #localOr(
    here: (local: LocalVerbs<Data>) => Promise<boolean>,
    id: string,
    options: SendOptions,
    there: (cluster: Cluster<Data>, deadlineMs: number) => Promise<boolean>,
  ): Promise<boolean> {
    const { cluster } = this.#node;
    if (this.#node.clients.get(id)) return here(this.#local);
    return this.#within(options, (deadlineMs) => there(cluster, deadlineMs));
  }

  #within<Result>(options: SendOptions, call: (deadlineMs: number) => Promise<Result>): Promise<Result> {
    return abortable(call(deadlineOf(options, this.#timeoutMs)), options.signal);
  }
}

function sum(local: Delivery, remote: Delivery): Delivery {
  return {
    delivered: local.delivered + remote.delivered,
    dropped: local.dropped + remote.dropped,
    unreachable: remote.unreachable,
  };
}
