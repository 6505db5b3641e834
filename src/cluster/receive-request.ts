import { create } from "@bufbuild/protobuf";
import type { Clients } from "../client/clients.ts";
import { errorCode } from "../base/error.ts";
import { Frame } from "../send/frame.ts";
import {
  type Answer,
  AnswerSchema,
  type Reply,
  ReplySchema,
  type Request,
  Status,
} from "../gen/meshsocket/node/v1/node_pb.ts";

const encoder = new TextEncoder();

/**
 * Asks a client of this node on behalf of another.
 *
 * The request is queued at once, in the order of the batch. With a key the answer is known now and the reply goes to
 * `reply` later; without one the answer waits for the reply.
 */
export function receiveRequest<Data>(
  clients: Clients<Data>,
  { id, data, binary, key, timeoutMs }: Request,
  reply: (reply: Reply) => void,
): Answer | Promise<Answer> {
  const connection = clients.get(id);
  if (!connection) return create(AnswerSchema, { status: Status.NOT_HERE });
  if (!connection.askable) return create(AnswerSchema, { status: Status.NO_REQUESTS });
  const outcome = connection.ask(Frame.relayed(data, binary), timeoutMs).then(
    (message) => ({
      status: Status.OK,
      data: typeof message === "string" ? encoder.encode(message) : message,
      binary: typeof message !== "string",
    }),
    (error: unknown) => ({ status: errorCode(error) === "resource_exhausted" ? Status.FULL : Status.NO_REPLY }),
  );
  if (key === 0n) return outcome.then((settled) => create(AnswerSchema, settled));
  void outcome.then((settled) => reply(create(ReplySchema, { key, ...settled })));
  return create(AnswerSchema, { status: Status.OK });
}
