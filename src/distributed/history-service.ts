import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type HistoryRequest,
  type HistoryRequestSchema,
  type HistoryResponse,
  type HistoryResponseSchema,
} from "../gen/meshsocket/v1/cluster_pb.ts";
import { Frame } from "../send/frame.ts";
import type { Position } from "../send/position.ts";
import type { From, HistoryPage, HistoryReadOptions } from "../send/verbs.ts";

const encoder = new TextEncoder();

/** A query as the Cluster service has it. */
export function historyRequest(
  topic: string,
  { from, to, limit = 0, reverse = false }: HistoryReadOptions,
): MessageInitShape<typeof HistoryRequestSchema> {
  return { topic, from: fromMessage(from), ...(to !== undefined && { to: BigInt(to) }), limit, reverse };
}

function fromMessage(from: From | undefined): MessageInitShape<typeof HistoryRequestSchema>["from"] {
  if (from === undefined) return { case: undefined };
  if ("last" in from) return { case: "last", value: from.last };
  if ("ms" in from) return { case: "ms", value: Math.ceil(from.ms) };
  return { case: "after", value: positionMessage(from) };
}

/** The options of a hub for a query of the Cluster service. */
export function historyOptions({ from, to, limit, reverse }: HistoryRequest): HistoryReadOptions {
  return {
    from: from.case === undefined ? undefined : fromOf(from),
    to: to === undefined ? undefined : Number(to),
    limit: limit || undefined,
    reverse,
  };
}

function fromOf(from: Exclude<HistoryRequest["from"], { case: undefined }>): From {
  if (from.case === "after") return positionOf(from.value);
  return from.case === "last" ? { last: from.value } : { ms: from.value };
}

/** A page as the Cluster service has it. */
export function historyResponse(page: HistoryPage): MessageInitShape<typeof HistoryResponseSchema> {
  const { end, messages, more, recovered } = page;
  return {
    end: positionMessage(end),
    messages: messages.map(({ offset, atMs, data, key = "" }) => ({
      offset: BigInt(offset),
      atMs: BigInt(atMs),
      data: typeof data === "string" ? encoder.encode(data) : data,
      binary: typeof data !== "string",
      key,
    })),
    more,
    recovered,
  };
}

/** The page of an answer of the Cluster service. */
export function historyPage({ end, messages, more, recovered }: HistoryResponse): HistoryPage {
  return {
    end: positionOf(end),
    messages: messages.map(({ offset, atMs, data, binary, key }) => ({
      offset: Number(offset),
      atMs: Number(atMs),
      data: Frame.fromBytes(data, binary).payload,
      key: key || undefined,
    })),
    more,
    recovered,
  };
}

export function positionMessage({ epoch, offset }: Position): { epoch: string; offset: bigint } {
  return { epoch, offset: BigInt(offset) };
}

export function positionOf(message: { readonly epoch: string; readonly offset: bigint } | undefined): Position {
  return { epoch: message?.epoch ?? "", offset: Number(message?.offset ?? 0n) };
}
