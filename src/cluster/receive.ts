import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Traces } from "../base/trace/tracing.ts";
import { checkClose } from "../base/check/check.ts";
import type { Clients } from "../client/clients.ts";
import { CloseCode } from "../base/close-code.ts";
import { errorCode } from "../base/error.ts";
import { Frame } from "../send/frame.ts";
import { fromAdopt, offerOf } from "./handover.ts";
import type { Adoption } from "../client/resume/adoption.ts";
import {
  type Answer,
  AnswerSchema,
  type Cut,
  type Disconnect,
  type Disown,
  type Emit,
  type Evict,
  type Holder,
  type Item,
  type Members,
  type Publish,
  type Reply,
  ReplySchema,
  type Request,
  Status,
  type Subscription,
  type Take,
} from "../gen/meshsocket/node/v1/node_pb.ts";
import type { HubClient } from "../client/hub-client.ts";
import type { KeptTopics } from "../hub/history/kept-topics.ts";
import { MAX_HANDOVER_BYTES } from "../client/resume/handover.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";
import type { Move, Moves } from "./moves/moves.ts";
import { notAskable } from "../client/requests.ts";
import { plainAnswer } from "../link/packed-batch.ts";
import type { Listener } from "../client/topics.ts";
import { memberBytes, partOf } from "../send/members.ts";
import type { Verbs } from "../send/verbs.ts";

/** Most bytes of members in one answer: more are asked for in parts. */
const MAX_ANSWER_BYTES = 524_288;
const encoder = new TextEncoder();

/** Does to this node's clients what the items of other nodes ask for, and answers item by item. */
export class Receiver<Data> {
  readonly #clients: Clients<Data>;
  readonly #local: Pick<Verbs, "subscribe" | "unsubscribe">;
  readonly #peers: Peers;
  readonly #kept: KeptTopics<Data>;
  readonly #traces: Traces;
  /** Bytes of clients that the present batch handed over. */
  #handedBytes = 0;

  constructor({ clients, kept, local, traces }: ReceiverDependencies<Data>, peers: Peers) {
    this.#clients = clients;
    this.#kept = kept;
    this.#local = local;
    this.#traces = traces;
    this.#peers = peers;
  }

  /**
   * Takes the items of one batch.
   *
   * Everything is queued in the order of the items before the first await, so that batches received one after the other
   * reach each client in that order.
   */
  async receive(items: readonly Item[], from: Holder | undefined): Promise<Answer[]> {
    this.#handedBytes = 0;
    const pending = items.map((item) =>
      item.traceparent === undefined ? this.#begin(item, from) : this.#trace(item, from)
    );
    await this.#clients.written();
    const answers: Answer[] = [];
    for (const one of pending) {
      if (one instanceof Frame) answers.push(plainAnswer(one.refused === 0 ? Status.OK : Status.FULL));
      else answers.push(typeof one === "function" ? one() : await one);
    }
    return answers;
  }

  /** Begins an item that another node sent within a span. */
  #trace(item: Item, from: Holder | undefined): Pending {
    const { current } = this.#traces;
    const { kind, traceparent = "" } = item;
    if (current === undefined) return this.#begin(item, from);
    return current.received(kind.case ?? "", traceparent, () => this.#begin(item, from));
  }

  #begin({ kind }: Item, from: Holder | undefined): Pending {
    const clients = this.#clients;
    switch (kind.case) {
      case "emit":
        return this.#emit(kind.value, from);
      case "broadcast": {
        const frame = Frame.relayed(kind.value.data, kind.value.binary);
        return delivered(clients.broadcast(frame, this.#except(kind.value.except, from)), frame);
      }
      case "publish":
        return this.#publish(kind.value, from);
      case "evict":
        return this.#evict(kind.value);
      case "disown":
        return this.#peers.disown(kind.value).then(plainAnswer);
      case "online":
        return plainAnswer(clients.get(kind.value.id) ? Status.OK : Status.NOT_HERE);
      case "disconnect":
        return this.#disconnect(kind.value);
      case "members":
        return this.#members(kind.value);
      case "request":
        return this.#request(kind.value, from);
      case "confirm":
        return this.#confirm(kind.value, from);
      case "reply":
        this.#peers.replied(kind.value);
        return plainAnswer(Status.OK);
      case "interest":
        if (from) this.#peers.announced(kind.value.topic, from);
        return plainAnswer(from ? Status.OK : Status.INVALID);
      case "subscription":
        return this.#subscription(kind.value);
      case "cut":
        return this.#peers.cut(kind.value).then(plainAnswer);
      case "mark":
        this.#peers.moves.mark(lifeOf(from), kind.value.moving);
        return plainAnswer(Status.OK);
      case "take":
        return this.#take(kind.value);
      case "adopt":
        return plainAnswer(this.#peers.adopt(fromAdopt(kind.value)) ? Status.OK : Status.FAILED);
      default:
        return plainAnswer(Status.INVALID);
    }
  }

  #publish({ topic, data, binary, except, epoch, offset }: Publish, from: Holder | undefined): Pending {
    const clients = this.#clients;
    if (!clients.topics.has(topic)) return plainAnswer(Status.NOT_HERE);
    const frame = Frame.relayed(data, binary);
    if (epoch === "") return delivered(clients.publish(topic, frame, this.#except(except, from)), frame);
    // A client that moves goes on from its place in the history.
    frame.place = { epoch, offset: Number(offset) };
    const arrival = this.#kept.loaded?.arrive(topic, frame, setOf(except));
    // Nobody listens yet: those who begin to take their place from the history.
    if (!arrival) return plainAnswer(Status.OK);
    return typeof arrival === "function" ? () => answerOf(arrival()) : arrival.then(answerOf);
  }

  #emit({ id, data, binary }: Emit, from: Holder | undefined): Pending {
    const { moves } = this.#peers;
    if (!moves.isHere(id, lifeOf(from))) return elsewhere(moves.get(id));
    const frame = Frame.relayed(data, binary);
    return this.#clients.emit(id, frame) ? frame : plainAnswer(Status.NOT_HERE);
  }

  /** The clients that a message to many is not for. */
  #except(ids: readonly string[], from: Holder | undefined): ReadonlySet<string> | undefined {
    return this.#peers.moves.except(lifeOf(from), setOf(ids));
  }

  /** The client that has the id, unless it leaves for another node: that one answers then. */
  #client(id: string): HubClient<Data> | undefined {
    const client = this.#clients.get(id);
    return client?.leaving ? undefined : client;
  }

  /** Closes a client, or has it wait for the node that takes it. */
  #evict({ id, claim, resume }: Evict): Answer | Promise<Answer> {
    const answer = this.#peers.evict(id, claim, resume && offerOf(resume));
    return resume ? answer : plainAnswer(Status.OK);
  }

  /** Hands a client over, if the answer to this batch has room for it. */
  #take(take: Take): Answer {
    const bytes = this.#clients.get(take.id)?.v1?.ledger.bytes ?? 0;
    if (this.#handedBytes > 0 && this.#handedBytes + bytes > MAX_HANDOVER_BYTES) return plainAnswer(Status.TOO_LONG);
    this.#handedBytes += bytes;
    return this.#peers.handOver(take);
  }

  #disconnect({ id, code, reason }: Disconnect): Answer {
    const closeCode = code || CloseCode.Normal;
    try {
      checkClose(closeCode, reason);
    } catch {
      return plainAnswer(Status.INVALID);
    }
    const connection = this.#client(id);
    connection?.close(closeCode, reason);
    return plainAnswer(connection ? Status.OK : Status.NOT_HERE);
  }

  /** The clients on a topic: how many, all, or one part of them. */
  #members({ topic, countOnly, idsOnly, part, parts }: Members): Answer {
    const listeners: Iterable<Listener> = this.#clients.topics.listeners(topic) ?? [];
    const members: Listener[] = [];
    let bytes = 0;
    for (const listener of listeners) {
      if (parts > 1 && partOf(listener.id, parts) !== part) continue;
      members.push(listener);
      if (!countOnly) bytes += memberBytes(listener.id, idsOnly ? "" : listener.info);
    }
    if (countOnly) return create(AnswerSchema, { status: Status.OK, delivered: members.length });
    if (parts <= 1 && bytes > MAX_ANSWER_BYTES) {
      // Parts differ in size, and the topic may grow.
      return create(AnswerSchema, { status: Status.TOO_LONG, delivered: Math.ceil((2 * bytes) / MAX_ANSWER_BYTES) });
    }
    const ids = members.map(({ id }) => id);
    return create(AnswerSchema, { status: Status.OK, ids, infos: idsOnly ? [] : members.map(({ info }) => info) });
  }

  /**
   * Asks a client. The request is queued at once, in the order of the batch. With a key the answer is known now and the
   * reply goes back as an item of its own; without one the answer waits for the reply.
   */
  #request({ id, data, binary, key, timeoutMs }: Request, from: Holder | undefined): Answer | Promise<Answer> {
    const connection = this.#client(id);
    if (!connection) return plainAnswer(Status.NOT_HERE);
    if (!connection.v1) return plainAnswer(Status.NO_REQUESTS);
    const outcome = this.#ask(connection, Frame.relayed(data, binary), timeoutMs).then(
      (message) => ({
        status: Status.OK,
        data: typeof message === "string" ? encoder.encode(message) : message,
        binary: typeof message !== "string",
      }),
      (error: unknown) => ({ status: errorCode(error) === "resource_exhausted" ? Status.FULL : Status.NO_REPLY }),
    );
    return this.#later(outcome, key, from);
  }

  /** Asks a client once it is here: the numbers of its requests go on where another node was. */
  #ask({ arrival, v1 }: HubClient<Data>, frame: Frame, timeoutMs: number): Promise<string | Uint8Array> {
    if (!v1) throw notAskable();
    return arrival ? arrival.then(() => v1.ask(frame, timeoutMs)) : v1.ask(frame, timeoutMs);
  }

  /** Sends what the client is to acknowledge, as {@link Receiver.receive} sends a request. */
  #confirm({ id, data, binary, key, timeoutMs }: Request, from: Holder | undefined): Answer | Promise<Answer> {
    const client = this.#client(id);
    if (!client) return plainAnswer(Status.NOT_HERE);
    const outcome = this.#clients.confirm(client, Frame.relayed(data, binary), timeoutMs).then(
      (confirmed) => ({ status: confirmed ? Status.OK : Status.FULL }),
      (error: unknown) => ({ status: CONFIRM_FAILURES.get(errorCode(error)) ?? Status.NO_REPLY }),
    );
    return this.#later(outcome, key, from);
  }

  /** Answers with the outcome, or, if it has a key, at once: the outcome then goes back as an item of its own. */
  #later(outcome: Promise<Outcome>, key: bigint, from: Holder | undefined): Answer | Promise<Answer> {
    if (key === 0n) return outcome.then((settled) => create(AnswerSchema, settled));
    void outcome.then((settled) => from && this.#peers.reply(from, create(ReplySchema, { key, ...settled })));
    return plainAnswer(Status.OK);
  }

  async #subscription({ id, topic, wanted }: Subscription): Promise<Answer> {
    if (!this.#client(id)) return plainAnswer(Status.NOT_HERE);
    try {
      const found = await (wanted ? this.#local.subscribe(id, topic, {}) : this.#local.unsubscribe(id, topic, {}));
      return plainAnswer(found ? Status.OK : Status.NOT_HERE);
    } catch (error) {
      const code = errorCode(error);
      if (code === "invalid_argument") return plainAnswer(Status.INVALID);
      return plainAnswer(code === "resource_exhausted" ? Status.FULL : Status.FAILED);
    }
  }
}

/** Dependencies of {@link Receiver}: this node. */
export interface ReceiverDependencies<Data> {
  readonly clients: Clients<Data>;
  readonly local: Pick<Verbs, "subscribe" | "unsubscribe">;
  readonly kept: KeptTopics<Data>;
  readonly traces: Traces;
}

/** Takes what other nodes tell this node itself, rather than its clients. */
export interface Peers {
  /** A newer claim on the id was made elsewhere. */
  evict(id: string, claim: bigint, resume: ResumeOffer | undefined): Answer | Promise<Answer>;
  /** The node that made the claim takes the client that left for it. */
  handOver(take: Take): Answer;
  /** Takes over a client that is away, from a node that leaves; false if this node does not. */
  adopt(adoption: Adoption): boolean;
  /** Clients that are moving from this node or to it. */
  readonly moves: Pick<Moves, "except" | "get" | "isHere" | "mark">;
  /** Makes this node's cut for clients that move to another one. */
  cut(cut: Cut): Promise<Status>;
  /** The storage names this node for the id: gives the claim up unless a client here has it. */
  disown(disown: Disown): Promise<Status>;
  /** Another node got its first client on the topic. */
  announced(topic: string, node: Holder): void;
  /** Hands a client's reply to the node that asked. */
  reply(to: Holder, reply: Reply): void;
  /** Another node's client replied to this node's request. */
  replied(reply: Reply): void;
}

/** The answer to a message that could not be confirmed, by the code of its error. */
const CONFIRM_FAILURES: ReadonlyMap<unknown, Status> = new Map([
  ["failed_precondition", Status.NO_REQUESTS],
  ["resource_exhausted", Status.FAILED],
]);

type Outcome = Pick<MessageInitShape<typeof ReplySchema>, "status" | "data" | "binary">;

/** An item's answer before this tick is written; of an emit, its frame. */
type Pending = Answer | Frame | Promise<Answer> | (() => Answer);

function setOf(ids: readonly string[]): ReadonlySet<string> | undefined {
  return ids.length > 0 ? new Set(ids) : undefined;
}

/** The answer to a message for a client that is still at its old node, which may be looked for, or at its new one already. */
function elsewhere(move: Pick<Move, "arrives" | "old"> | undefined): Answer {
  const old = move?.old;
  if (!old) return plainAnswer(move?.arrives ? Status.MOVING : Status.NOT_HERE);
  return create(AnswerSchema, { status: Status.MOVING, old: { host: old.host, life: old.life } });
}

/** The name of a sender; all that are not nodes have one. */
function lifeOf(from: Holder | undefined): string {
  return from?.life ?? "";
}

function delivered(offered: number, frame: Frame): () => Answer {
  return () => {
    const { held, refused } = frame.outcome;
    return answerOf({ delivered: offered - held - refused, held, dropped: refused });
  };
}

function answerOf(counts: { readonly delivered: number; readonly held: number; readonly dropped: number }): Answer {
  return create(AnswerSchema, { status: Status.OK, ...counts });
}
