import { MeshError } from "../base/error.ts";
import type { Frame } from "../send/frame.ts";
import { type Answer, Status } from "../gen/meshsocket/node/v1/node_pb.ts";
import {
  disconnectItem,
  emitItem,
  membersItem,
  onlineItem,
  requestItem,
  type SizedItem,
  subscriptionItem,
} from "../link/items.ts";
import type { Links } from "../link/links.ts";
import type { Router } from "./router.ts";
import type { Holder } from "../storage/storage.ts";
import { nobodyHasIt } from "../client/requests.ts";
import type { Count, Delivery } from "../send/verbs.ts";

/** Members with their infos, as JSON, beside them. */
export interface RemoteMembers {
  readonly ids: string[];
  readonly infos: string[];
  readonly unreachable: string[];
}

/** The verbs towards other nodes: one item to the owner of an id, or one to each of several nodes. */
export class Reach {
  readonly #router: Router;
  readonly #links: Links;

  constructor(router: Router, links: Links) {
    this.#router = router;
    this.#links = links;
  }

  /** Sends to the owner of an id. */
  emit(id: string, frame: Frame, deadlineMs: number): Promise<boolean> {
    return this.#router.call(id, emitItem(id, frame), deadlineMs).then(isOk);
  }

  /** Asks the owner of an id. */
  async online(id: string, deadlineMs: number): Promise<boolean> {
    const answer = await this.#toOwner(id, onlineItem(id), deadlineMs);
    return answer?.status === Status.OK;
  }

  async disconnect(id: string, code: number, reason: string, deadlineMs: number): Promise<boolean> {
    const answer = await this.#toOwner(id, disconnectItem(id, code, reason), deadlineMs);
    return answer?.status === Status.OK;
  }

  /** Makes a client of another node listen on a topic, or stop; false when nobody has the id. */
  async subscription(id: string, topic: string, wanted: boolean, deadlineMs: number): Promise<boolean> {
    const answer = await this.#toOwner(id, subscriptionItem(id, topic, wanted), deadlineMs);
    if (answer?.status === Status.FULL) {
      throw new MeshError("resource_exhausted", "the client listens on too many topics");
    }
    if (answer?.status === Status.FAILED) throw new MeshError("unavailable", "the owner could not reach its storage");
    return answer?.status === Status.OK;
  }

  /**
   * Gives each node the item and adds up what became of it. Never rejects: who did not answer is named.
   * A node that says "not here" is unreachable, or, where that is an answer, goes to `notHere`.
   */
  async toAll(
    nodes: Iterable<Holder>,
    item: SizedItem,
    deadlineMs: number,
    notHere?: (node: Holder) => void,
    failed?: (node: Holder) => void,
  ): Promise<Delivery> {
    let delivered = 0;
    let dropped = 0;
    const unreachable: string[] = [];
    const add = async (node: Holder): Promise<void> => {
      const answer = await this.#answer(node, item, deadlineMs);
      if (!answer) failed?.(node);
      if (answer?.status === Status.NOT_HERE && notHere) notHere(node);
      else if (answer?.status !== Status.OK) unreachable.push(node.host);
      delivered += answer?.delivered ?? 0;
      dropped += answer?.dropped ?? 0;
    };
    await Promise.all(Array.from(nodes, add));
    return { delivered, dropped, unreachable };
  }

  /** Who listens on a topic at these nodes. Never rejects: who did not answer, or not fully, is named. */
  async members(
    nodes: Iterable<Holder>,
    topic: string,
    idsOnly: boolean,
    deadlineMs: number,
    failed?: (node: Holder) => void,
  ): Promise<RemoteMembers> {
    const members: RemoteMembers = { ids: [], infos: [], unreachable: [] };
    const add = async (node: Holder): Promise<void> => {
      for await (const answer of this.#parts(node, topic, idsOnly, deadlineMs)) {
        if (!answer) {
          members.unreachable.push(node.host);
          failed?.(node);
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

  /** One node's members, in one answer or in several; undefined where one is missing. */
  async *#parts(node: Holder, topic: string, idsOnly: boolean, deadlineMs: number): AsyncIterable<Answer | undefined> {
    const ask = async (part: number, parts: number): Promise<Answer | undefined> => {
      const answer = await this.#answer(node, membersItem(topic, { idsOnly, part, parts }), deadlineMs);
      // "Not here": that life ended, and its members with it.
      const known: unknown[] = [Status.OK, Status.NOT_HERE, Status.TOO_LONG];
      return known.includes(answer?.status) ? answer : undefined;
    };
    const first = await ask(0, 0);
    if (first?.status !== Status.TOO_LONG) {
      yield first;
      return;
    }
    for (let part = 0; part < first.delivered; part++) yield await ask(part, first.delivered);
  }

  /** How many listen on a topic at these nodes. Never rejects: who did not answer is named. */
  async count(
    nodes: Iterable<Holder>,
    topic: string,
    deadlineMs: number,
    failed?: (node: Holder) => void,
  ): Promise<Count> {
    const item = membersItem(topic, { countOnly: true });
    const { delivered, unreachable } = await this.toAll(nodes, item, deadlineMs, () => {}, failed);
    return { count: delivered, unreachable };
  }

  /** Asks the owner's client; with a key the reply comes as an item of its own, else in the answer. */
  async request(id: string, frame: Frame, key: bigint, deadlineMs: number): Promise<Answer> {
    const item = requestItem(id, frame, key, deadlineMs - performance.now());
    const answer = await this.#toOwner(id, item, deadlineMs);
    if (!answer) throw nobodyHasIt();
    return answer;
  }

  /** One node's answer; undefined when there is none. */
  async #answer(node: Holder, item: SizedItem, deadlineMs: number): Promise<Answer | undefined> {
    try {
      return await this.#links.call(node, item, deadlineMs);
    } catch {
      return undefined;
    }
  }

  async #toOwner(id: string, item: SizedItem, deadlineMs: number): Promise<Answer | undefined> {
    return checked(await this.#router.call(id, item, deadlineMs));
  }
}

function isOk(answer: Answer | undefined): boolean {
  return checked(answer)?.status === Status.OK;
}

function checked(answer: Answer | undefined): Answer | undefined {
  if (answer?.status === Status.INVALID) throw new MeshError("invalid_argument", "the owner refused the arguments");
  // Of a later version's status nobody here knows whether the item was done.
  if (answer && !KNOWN.has(answer.status)) throw new MeshError("unknown", "the owner's answer is not understood");
  return answer;
}

const KNOWN: ReadonlySet<Status> = new Set([
  Status.OK,
  Status.NOT_HERE,
  Status.FULL,
  Status.FAILED,
  Status.NO_REQUESTS,
  Status.NO_REPLY,
]);
