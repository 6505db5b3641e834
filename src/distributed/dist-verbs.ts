import type { Clients } from "../client/clients.ts";
import type { RemoteVerbs } from "../cluster/verbs.ts";
import type { Frame } from "../send/frame.ts";
import type { KeptTopics } from "../hub/history/kept-topics.ts";
import type { LocalVerbs } from "../hub/local.ts";
import { addMembers } from "../send/members.ts";
import type { MovingClients } from "../cluster/moves/moves.ts";
import type { Recorder } from "../base/watch/recorder.ts";
import type {
  Count,
  Delivery,
  EmitOptions,
  Except,
  Members,
  MembersOptions,
  SendOptions,
  SendToTopicOptions,
  Verbs,
} from "../send/verbs.ts";

/**
 * The verbs for the clients of every node.
 *
 * A verb for one id is that of the node that holds it: the local one, or else the remote one. A verb for many is done by
 * this node and by the others, and the results are added up.
 */
export class DistVerbs<Data = unknown> implements Verbs {
  readonly #node: VerbsNode<Data>;

  /** Before the node has joined, every verb rejects with `failed_precondition`. */
  constructor(node: VerbsNode<Data>) {
    this.#node = node;
  }

  emit(id: string, frame: Frame, options: EmitOptions): Promise<boolean> {
    const { cluster: { moving, remote }, local } = this.#node;
    if (!moving.has(id) || options.confirm === true) return this.#owner(id).emit(id, frame, options);
    if (moving.isHere(id)) return local.emit(id, frame, options);
    return moving.sendOn(id, frame, options) ?? remote.emit(id, frame, options);
  }

  online(id: string, options: SendOptions): Promise<boolean> {
    const { cluster, clients, local } = this.#node;
    return (clients.get(id) ? local : cluster.remote).online(id, options);
  }

  request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    return this.#owner(id).request(id, frame, options);
  }

  subscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return this.#owner(id).subscribe(id, topic, options);
  }

  unsubscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return this.#owner(id).unsubscribe(id, topic, options);
  }

  disconnect(id: string, code: number, reason: string, options: SendOptions): Promise<boolean> {
    return this.#owner(id).disconnect(id, code, reason, options);
  }

  broadcast(frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    const { cluster: { moving, remote }, local } = this.#node;
    return sum(local.broadcast(frame, moving.except(except)), remote.broadcast(frame, except, options));
  }

  publish(topic: string, frame: Frame, except: Except, options: SendToTopicOptions): Promise<Delivery> {
    const { cluster: { moving, remote }, kept, local } = this.#node;
    // The history delivers on all nodes.
    if (options.key !== undefined || kept.windowOf(topic)) return local.publish(topic, frame, except, options);
    const ready = moving.readyFor(topic);
    if (ready) return ready.then(() => this.publish(topic, frame, except, options));
    const here = local.publish(topic, frame, moving.except(except));
    return this.#publish(topic, here, remote.publish(topic, frame, except, options));
  }

  /** Records a publish that reached nobody, or not everybody. */
  async #publish(topic: string, here: Promise<Delivery>, there: Promise<Delivery>): Promise<Delivery> {
    const delivery = added(await Promise.all([here, there]));
    const { delivered, held, dropped, unreachable: [host] } = delivery;
    const { recorder } = this.#node;
    if (host !== undefined) recorder.record("failed", { topic }, `publish did not reach ${host}`);
    else if (delivered + held + dropped === 0) recorder.record("nobody", { topic }, "publish found no listeners");
    return delivery;
  }

  readonly history: Verbs["history"] = (topic, options) => this.#node.local.history(topic, options);

  readonly position: Verbs["position"] = (topic, options) => this.#node.local.position(topic, options);

  async members(topic: string, options: MembersOptions): Promise<Members> {
    const { cluster: { remote }, local } = this.#node;
    const there = await remote.members(topic, options);
    return addMembers(await local.members(topic, options), there, options);
  }

  async count(topic: string, options: SendOptions): Promise<Count> {
    const { cluster: { remote }, local } = this.#node;
    const there = await remote.count(topic, options);
    const here = await local.count(topic);
    return { count: here.count + there.count, unreachable: there.unreachable };
  }

  /** The verbs of the node that holds the id. */
  #owner(id: string): Omit<Verbs, "history" | "position"> {
    const { cluster, clients, local } = this.#node;
    const client = clients.get(id);
    return client && !client.leaving ? local : cluster.remote;
  }
}

/** Dependencies of {@link DistVerbs}: a node with its own clients and, once it joined, the way to those of the others. */
export interface VerbsNode<Data> {
  readonly clients: Clients<Data>;
  readonly local: LocalVerbs<Data>;
  readonly recorder: Recorder;
  readonly kept: KeptTopics<Data>;
  /** Throws `failed_precondition` before the node joined. */
  readonly cluster: { readonly remote: RemoteVerbs; readonly moving: MovingClients };
}

async function sum(here: Promise<Delivery>, there: Promise<Delivery>): Promise<Delivery> {
  return added(await Promise.all([here, there]));
}

function added([local, remote]: readonly [Delivery, Delivery]): Delivery {
  return {
    delivered: local.delivered + remote.delivered,
    held: local.held + remote.held,
    dropped: local.dropped + remote.dropped,
    unreachable: remote.unreachable,
  };
}
