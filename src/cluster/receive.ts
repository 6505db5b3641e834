import { create } from "@bufbuild/protobuf";
import { checkClose } from "../base/check.ts";
import type { Clients } from "../client/clients.ts";
import { CloseCode } from "../base/close-code.ts";
import { errorCode } from "../base/error.ts";
import { Frame } from "../send/frame.ts";
import { plainAnswer } from "../link/packed-batch.ts";
import { receiveMembers } from "./receive-members.ts";
import { receiveRequest } from "./receive-request.ts";
import {
  type Answer,
  AnswerSchema,
  type Holder,
  type Item,
  type Reply,
  Status,
} from "../gen/meshsocket/node/v1/node_pb.ts";

/** What {@link receive} does to this node. */
export interface ReceiveContext<Data> {
  readonly clients: Clients<Data>;
  /** A newer claim on the id was made elsewhere. */
  evict(id: string, claim: bigint): void;
  /** Another node got its first listener on the topic. */
  announced(topic: string, node: Holder): void;
  /** A client replied to what another node asked. */
  reply(to: Holder, reply: Reply): void;
  /** Another node's client replied to what this one asked. */
  replied(reply: Reply): void;
  /** Makes a client of this node listen, or stop; false when it is not here. */
  subscription(id: string, topic: string, wanted: boolean): Promise<boolean>;
}

/** What is known of an item's answer before this tick is written; of an emit, its frame. */
type Pending = Answer | Frame | Promise<Answer> | (() => Answer);

/**
 * Does to this node's clients what a batch asks for, and answers item by item.
 *
 * Everything is queued in the order of the items before the first await, so that batches received one after the other
 * reach each client in that order.
 */
export async function receive<Data>(
  context: ReceiveContext<Data>,
  items: readonly Item[],
  from: Holder | undefined,
): Promise<Answer[]> {
  const pending = items.map((item) => begin(context, item, from));
  await context.clients.written();
  const answers: Answer[] = [];
  for (const one of pending) {
    if (one instanceof Frame) answers.push(plainAnswer(one.refused === 0 ? Status.OK : Status.FULL));
    else answers.push(typeof one === "function" ? one() : await one);
  }
  return answers;
}

function begin<Data>(context: ReceiveContext<Data>, { kind }: Item, from: Holder | undefined): Pending {
  const { clients } = context;
  switch (kind.case) {
    case "emit": {
      const frame = Frame.relayed(kind.value.data, kind.value.binary);
      return clients.emit(kind.value.id, frame) ? frame : plainAnswer(Status.NOT_HERE);
    }
    case "broadcast": {
      const frame = Frame.relayed(kind.value.data, kind.value.binary);
      return delivered(clients.broadcast(frame, exceptOf(kind.value.except)), frame);
    }
    case "publish": {
      const { topic } = kind.value;
      if (!clients.topics.listeners(topic)) return plainAnswer(Status.NOT_HERE);
      const frame = Frame.relayed(kind.value.data, kind.value.binary);
      return delivered(clients.publish(topic, frame, exceptOf(kind.value.except)), frame);
    }
    case "evict":
      context.evict(kind.value.id, kind.value.claim);
      return plainAnswer(Status.OK);
    case "online":
      return plainAnswer(clients.get(kind.value.id) ? Status.OK : Status.NOT_HERE);
    case "disconnect":
      return disconnect(clients, kind.value.id, kind.value.code || CloseCode.Normal, kind.value.reason);
    case "members":
      return receiveMembers(clients, kind.value);
    case "request":
      return receiveRequest(clients, kind.value, (reply) => from && context.reply(from, reply));
    case "reply":
      context.replied(kind.value);
      return plainAnswer(Status.OK);
    case "interest":
      if (from) context.announced(kind.value.topic, from);
      return plainAnswer(from ? Status.OK : Status.INVALID);
    case "subscription":
      return subscription(context, kind.value.id, kind.value.topic, kind.value.wanted);
    default:
      return plainAnswer(Status.INVALID);
  }
}

function exceptOf(ids: readonly string[]): ReadonlySet<string> | undefined {
  return ids.length > 0 ? new Set(ids) : undefined;
}

function delivered(offered: number, frame: Frame): () => Answer {
  return () => {
    const { refused } = frame;
    return create(AnswerSchema, { status: Status.OK, delivered: offered - refused, dropped: refused });
  };
}

function disconnect<Data>(clients: Clients<Data>, id: string, code: number, reason: string): Answer {
  try {
    checkClose(code, reason);
  } catch {
    return plainAnswer(Status.INVALID);
  }
  const connection = clients.get(id);
  connection?.close(code, reason);
  return plainAnswer(connection ? Status.OK : Status.NOT_HERE);
}

async function subscription<Data>(
  context: ReceiveContext<Data>,
  id: string,
  topic: string,
  wanted: boolean,
): Promise<Answer> {
  try {
    return plainAnswer((await context.subscription(id, topic, wanted)) ? Status.OK : Status.NOT_HERE);
  } catch (error) {
    const code = errorCode(error);
    if (code === "invalid_argument") return plainAnswer(Status.INVALID);
    return plainAnswer(code === "resource_exhausted" ? Status.FULL : Status.FAILED);
  }
}
