import { unlessAborted } from "../base/abort.ts";
import type { Traces } from "../base/trace/tracing.ts";
import { deadlineOf } from "../send/deadline.ts";
import type { Frame } from "../send/frame.ts";
import { type Answer, Status } from "../gen/meshsocket/node/v1/node_pb.ts";
import {
  beside,
  broadcastItem,
  confirmItem,
  disconnectItem,
  emitItem,
  membersItem,
  onlineItem,
  publishItem,
  requestItem,
  type SizedItem,
  subscriptionItem,
  traced,
} from "../link/items.ts";
import type { Destinations } from "./topics/destinations.ts";
import { OTHER_LIFE } from "../link/send-window.ts";
import type { Links } from "../link/links.ts";
import { membersOf } from "../send/members.ts";
import { checked, isOk, isSubscribed } from "./answers.ts";
import { notConfirmedInTime } from "../client/resume/confirmations.ts";
import { nobodyHasIt, noReplyInTime } from "../client/requests.ts";
import { type ExpectedReply, isConfirmed, type Outcome, replyOf, type RequestTable } from "./request-table.ts";
import type { Router } from "./router.ts";
import type { Holder } from "../storage/storage.ts";
import type {
  Count,
  Delivery,
  EmitOptions,
  Except,
  Members,
  MembersOptions,
  SendOptions,
  Verbs,
} from "../send/verbs.ts";

/** The verbs for the clients of other nodes: one item to the owner of an id, or one to each of several nodes. */
export class RemoteVerbs implements Omit<Verbs, "history" | "position"> {
  readonly #links: Pick<Links, "call">;
  readonly #router: Router;
  readonly #nodes: Destinations;
  readonly #requests: RequestTable | undefined;
  readonly #timeoutMs: number;
  readonly #traces: Traces;

  constructor({ links, router, nodes, requests, timeoutMs, traces }: RemoteDependencies) {
    this.#links = links;
    this.#router = router;
    this.#nodes = nodes;
    this.#requests = requests;
    this.#timeoutMs = timeoutMs;
    this.#traces = traces;
  }

  emit(id: string, frame: Frame, options: EmitOptions): Promise<boolean> {
    if (options.confirm === true) return this.#confirm(id, frame, options);
    return this.#toOwner(id, emitItem(id, frame), options).then(isOk);
  }

  online(id: string, options: SendOptions): Promise<boolean> {
    return this.#toOwner(id, onlineItem(id), options).then(isOk);
  }

  disconnect(id: string, code: number, reason: string, options: SendOptions): Promise<boolean> {
    return this.#toOwner(id, disconnectItem(id, code, reason), options).then(isOk);
  }

  subscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return this.#toOwner(id, beside(subscriptionItem(id, topic, true)), options).then(isSubscribed);
  }

  unsubscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return this.#toOwner(id, beside(subscriptionItem(id, topic, false)), options).then(isSubscribed);
  }

  broadcast(frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    const item = traced(broadcastItem(frame, except), this.#traces);
    return this.#within(options, (deadlineMs) => this.#nodes.all((nodes) => this.#toAll(nodes, item, deadlineMs)));
  }

  publish(topic: string, frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    return this.#toTopic(topic, publishItem(topic, frame, except), options);
  }

  async count(topic: string, options: SendOptions): Promise<Count> {
    const { delivered, unreachable } = await this.#toTopic(topic, membersItem(topic, { countOnly: true }), options);
    return { count: delivered, unreachable };
  }

  async members(topic: string, options: MembersOptions): Promise<Members> {
    const found = await this.#within(options, (deadlineMs) => {
      return this.#nodes.ofTopic(topic, (nodes) => this.#membersAt(nodes, topic, !options.info, deadlineMs));
    });
    return membersOf(found.ids, found.infos, found.unreachable, options);
  }

  /** The errors are those of `Sender.request`. */
  request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    return this.#within(options, async (deadlineMs) => {
      const item = (key: bigint): SizedItem =>
        traced(requestItem(id, frame, key, deadlineMs - performance.now()), this.#traces);
      const outcome = await this.#outcome(id, item, this.#requests?.expect(deadlineMs, noReplyInTime), deadlineMs);
      if (!outcome) throw nobodyHasIt();
      return replyOf(outcome, deadlineMs);
    });
  }

  #confirm(id: string, frame: Frame, options: SendOptions): Promise<boolean> {
    return this.#within(options, async (deadlineMs) => {
      const item = (key: bigint): SizedItem =>
        traced(confirmItem(id, frame, key, deadlineMs - performance.now()), this.#traces);
      const outcome = await this.#outcome(id, item, this.#requests?.expect(deadlineMs, notConfirmedInTime), deadlineMs);
      return outcome !== undefined && isConfirmed(outcome, deadlineMs);
    });
  }

  /** The outcome of an item that waits for its client; undefined if nobody has the id. */
  async #outcome(
    id: string,
    item: (key: bigint) => SizedItem,
    expected: ExpectedReply | undefined,
    deadlineMs: number,
  ): Promise<Outcome | undefined> {
    try {
      const sent = item(expected?.key ?? 0n);
      const answer = checked(await this.#router.call(id, expected ? sent : beside(sent), deadlineMs));
      return expected && answer?.status === Status.OK ? await expected.reply : answer;
    } finally {
      expected?.end();
    }
  }

  /** The answer of the node that holds the id; undefined if nobody has it. */
  #toOwner(id: string, item: SizedItem, options: SendOptions): Promise<Answer | undefined> {
    const sent = traced(item, this.#traces);
    return unlessAborted(this.#router.call(id, sent, deadlineOf(options, this.#timeoutMs)), options.signal);
  }

  #toTopic(topic: string, sized: SizedItem, options: SendOptions): Promise<Delivery> {
    const item = traced(sized, this.#traces);
    return this.#within(options, (deadlineMs) => {
      return this.#nodes.ofTopic(topic, (nodes) => this.#toAll(nodes, item, deadlineMs, topic));
    });
  }

  /**
   * Sends the item to each node and adds up what became of it. Never rejects: a node that did not answer is named.
   * A node that answers "not here" counts as unreachable, unless the item is for the clients on a topic.
   */
  async #toAll(nodes: Iterable<Holder>, item: SizedItem, deadlineMs: number, topic?: string): Promise<Delivery> {
    let delivered = 0;
    let held = 0;
    let dropped = 0;
    const unreachable: string[] = [];
    const add = async (node: Holder): Promise<void> => {
      const answer = await this.#answer(node, item, deadlineMs, topic);
      const notHere = answer?.status === Status.NOT_HERE && topic !== undefined;
      if (notHere) this.#nodes.notHere(topic, node);
      // Where another life answers, clients of the one that was meant may have been missed.
      if (answer === OTHER_LIFE || (answer?.status !== Status.OK && !notHere)) unreachable.push(node.host);
      delivered += answer?.delivered ?? 0;
      held += answer?.held ?? 0;
      dropped += answer?.dropped ?? 0;
    };
    await Promise.all(Array.from(nodes, add));
    return { delivered, held, dropped, unreachable };
  }

  /** The members of a topic at these nodes. Never rejects: a node that did not answer, or not fully, is named. */
  async #membersAt(
    nodes: Iterable<Holder>,
    topic: string,
    idsOnly: boolean,
    deadlineMs: number,
  ): Promise<FoundMembers> {
    const members: FoundMembers = { ids: [], infos: [], unreachable: [] };
    const add = async (node: Holder): Promise<void> => {
      for await (const answer of this.#membersOf(node, topic, idsOnly, deadlineMs)) {
        if (!answer) {
          members.unreachable.push(node.host);
          return;
        }
        for (const [index, id] of answer.ids.entries()) {
          members.ids.push(id);
          members.infos.push(answer.infos[index] ?? "");
        }
      }
    };
    await Promise.all(Array.from(nodes, add));
    return members;
  }

  /** One node's members, in one answer or in several; undefined for an answer that is missing. */
  async *#membersOf(
    node: Holder,
    topic: string,
    idsOnly: boolean,
    deadlineMs: number,
  ): AsyncIterable<Answer | undefined> {
    const ask = async (part: number, parts: number): Promise<Answer | undefined> => {
      const item = beside(membersItem(topic, { idsOnly, part, parts }));
      const answer = await this.#answer(node, item, deadlineMs, topic);
      const known: unknown[] = [Status.OK, Status.NOT_HERE, Status.TOO_LONG];
      return answer !== OTHER_LIFE && known.includes(answer?.status) ? answer : undefined;
    };
    const first = await ask(0, 0);
    if (first?.status !== Status.TOO_LONG) {
      yield first;
      return;
    }
    for (let part = 0; part < first.delivered; part++) yield await ask(part, first.delivered);
  }

  /** One node's answer; undefined if there is none. */
  async #answer(
    node: Holder,
    item: SizedItem,
    deadlineMs: number,
    topic: string | undefined,
  ): Promise<Answer | undefined> {
    try {
      return await this.#links.call(node, item, deadlineMs);
    } catch {
      if (topic !== undefined) this.#nodes.noAnswer(topic, node);
      return undefined;
    }
  }

  #within<Result>(options: SendOptions, call: (deadlineMs: number) => Promise<Result>): Promise<Result> {
    return unlessAborted(call(deadlineOf(options, this.#timeoutMs)), options.signal);
  }
}

/** Dependencies of {@link RemoteVerbs}. */
export interface RemoteDependencies {
  links: Pick<Links, "call">;
  router: Router;
  nodes: Destinations;
  /** Takes replies that come as items of their own. Without it, a request's answer waits for the reply. */
  requests?: RequestTable | undefined;
  timeoutMs: number;
  traces: Traces;
}

/** Members with their infos, as JSON, in a list of the same length. */
interface FoundMembers {
  readonly ids: string[];
  readonly infos: string[];
  readonly unreachable: string[];
}
