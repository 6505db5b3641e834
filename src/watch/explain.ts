import { CloseCode } from "../base/close-code.ts";
import type { ClientState, Record, TopicState } from "../gen/meshsocket/v1/watch_pb.ts";
import { RIGHTS } from "../rpc/access.ts";
import { closings, refusals } from "./remedies.ts";

/** A cause, in one sentence, and what to do about it. */
export interface Finding {
  readonly cause: string;
  readonly text: string;
  readonly fix: string;
}

/** The facts about a client or a topic, from all nodes that answered. */
export interface Evidence {
  readonly clients: readonly ClientState[];
  /** By time. */
  readonly records: readonly Record[];
  /** Connections that were refused before they said who they are, by time. */
  readonly refusals: readonly Record[];
  readonly topics: readonly TopicState[];
  readonly unheard: readonly { readonly host: string; readonly reason: string }[];
  /** The node that the storage names for an id; its `error` if the storage did not answer. */
  readonly holder: { readonly host: string } | { readonly error: string } | undefined;
  readonly leaseMs: number;
  /** From when on nothing is missing in the records. */
  readonly sinceMs: number;
}

/** Why messages reach a client, or do not: the present state first, then what happened lately. */
export function explainClient(id: string, evidence: Evidence): Finding[] {
  const name = JSON.stringify(id);
  return [
    ...evidence.clients.flatMap((client) => presence(name, client)),
    ...(evidence.clients.length === 0 ? absence(name, evidence) : []),
    ...lately(evidence),
    ...(evidence.clients.length === 0 && !seen(evidence.records) ? unnamed(evidence) : []),
    ...between(evidence),
  ];
}

/** Why messages reach the listeners on a topic, or do not. */
export function explainTopic(topic: string, evidence: Evidence): Finding[] {
  const name = JSON.stringify(topic);
  const count = evidence.topics.reduce((sum, { listeners }) => sum + Number(listeners), 0);
  const hosts = evidence.topics.map(({ host }) => host).join(", ");
  const present = count > 0
    ? {
      cause: "listeners",
      text: `topic ${name} has ${count} listeners, on ${hosts}`,
      fix: `npx meshsocket tap --topic ${name} shows what is published`,
    }
    : {
      cause: "no_listeners",
      text: `topic ${name} has no listeners${evidence.unheard.length > 0 ? " on the nodes that answered" : ""}`,
      fix: "await client.subscribe(topic) in onConnect, and compare the two names letter by letter",
    };
  return [present, ...lately(evidence), ...between(evidence)];
}

// ---- the present state ----

function presence(name: string, client: ClientState): Finding[] {
  const { host, away, sent, bufferedBytes, maxBufferedBytes, paused } = client;
  const findings: Finding[] = [];
  const buffered = Number(bufferedBytes);
  if (away) {
    findings.push({
      cause: "away",
      text: `${name} is away: its connection to ${host} dropped, and ${buffered} bytes wait for it`,
      fix: "it gets them when it comes back within resume.windowMs; after that it is lost, and told so",
    });
  } else {
    findings.push({
      cause: "connected",
      text: `${name} is connected to ${host} since ${timeOf(client.sinceMs)}, and ${sent} messages were written to it`,
      fix: `if it shows nothing, look at the client: npx meshsocket tap ${name} shows what it gets`,
    });
    if (buffered > Number(maxBufferedBytes) / 2) {
      findings.push({
        cause: "slow",
        text: `${name} reads too slowly: ${buffered} bytes of at most ${maxBufferedBytes} wait for it`,
        fix: "send less, or less often; over limits.maxBufferedBytes it is closed with 4008",
      });
    }
  }
  if (paused) {
    findings.push({
      cause: "handler_pending",
      text: `messages of ${name} wait: one of its handlers has not settled`,
      fix: "handlers run one at a time: do not await what may take long, or never ends",
    });
  }
  return findings;
}

function absence(name: string, { holder, records, unheard, leaseMs, sinceMs }: Evidence): Finding[] {
  if (holder && "error" in holder) {
    return [{ cause: "storage", text: holder.error, fix: "npx meshsocket doctor looks at the storage" }];
  }
  const silent = holder && unheard.find(({ host }) => host === holder.host);
  if (silent) {
    return [{
      cause: "holder_unreachable",
      text: `the storage names ${silent.host} for ${name}, and that node does not answer: ${silent.reason}`,
      fix: `if it is dead, the id is free once its lease of ${leaseMs} ms is over; if it lives, mend the way to it`,
    }];
  }
  const last = records.findLast(({ kind }) => STATES.has(kind));
  // The claim of a client that has just left may not be given up yet.
  if (holder && last?.kind !== "closed" && last?.kind !== "lost") {
    return [{
      cause: "moving",
      text: `the storage names ${holder.host} for ${name}, and that node does not have it`,
      fix: "ask again: it is connecting, or has just left",
    }];
  }
  if (last?.kind === "lost") {
    return [{
      cause: "lost",
      text: `${name} is not connected: at ${timeOf(last.lastMs)} it was ${last.text}, on ${last.host}`,
      fix:
        "topics with history let a client catch up; resume.windowMs and resume.maxBytes bound how long it is waited for",
    }];
  }
  if (last?.kind === "closed") {
    const { cause, fix } = closings(last.code);
    const why = last.text === "" ? "" : ` (${last.text})`;
    return [{
      cause,
      text: `${name} is not connected: ${last.host} closed it with ${last.code}${why} at ${timeOf(last.lastMs)}`,
      fix,
    }];
  }
  const asked = records.findLast(({ kind }) => kind === "refused");
  if (asked) return [refusal(name, asked)];
  return [{
    cause: "never_connected",
    text: `${name} was never connected since ${timeOf(sinceMs)}, as far as the nodes remember`,
    fix: "compare the id with the one that session() returns, and see that the client reaches a node of this cluster",
  }];
}

/** Records that begin or end a client's time on a node. */
const STATES: ReadonlySet<string> = new Set(["connected", "resumed", "closed", "lost"]);

/** Whether anything happened to the client itself. */
function seen(records: readonly Record[]): boolean {
  return records.some(({ kind }) => kind === "connected" || kind === "closed");
}

/** Refusals of connections that had not said yet whose they are. */
function unnamed({ refusals: refused }: Evidence): Finding[] {
  return refused.slice(-MAX_REFUSALS).toReversed().map((record) =>
    refusal("a connection that did not say whose it is", record)
  );
}

function refusal(who: string, { text, host, code, times, lastMs }: Record): Finding {
  const [reason = ""] = text.split(":", 1);
  const { cause, fix } = refusals(reason, code);
  const often = times > 1 ? `${times} times, last` : "";
  return { cause, text: `${who} was refused by ${host} with ${code} ${often} at ${timeOf(lastMs)}: ${text}`, fix };
}

// ---- what happened lately ----

/** The newest record of each kind that says why a message may be missing. */
function lately({ records, clients }: Evidence): Finding[] {
  return [...LATELY].flatMap(([kind, { cause, fix }]) => {
    const record = records.findLast((one) => one.kind === kind);
    if (!record) return [];
    const often = record.times > 1 ? `${record.times} times, last ` : "";
    return [{ cause, text: `${often}at ${timeOf(record.lastMs)} on ${record.host}: ${record.text}`, fix }];
  }).concat(clients.length > 0 ? takenOver(records) : []);
}

function takenOver(records: readonly Record[]): Finding[] {
  const record = records.findLast(({ kind, code }) => kind === "closed" && code === CloseCode.Replaced);
  if (!record) return [];
  const { cause, fix } = closings(record.code);
  return [{ cause, text: `an older connection was closed by ${record.host} at ${timeOf(record.lastMs)}`, fix }];
}

const LATELY: ReadonlyMap<string, { readonly cause: string; readonly fix: string }> = new Map([
  ["dropped", {
    cause: "buffer_full",
    fix: "the client reads slower than it is sent to: send less, or raise limits.maxBufferedBytes",
  }],
  ["handler", {
    cause: "handler_failed",
    fix: "the log of that node has the error; handlerError decides if the client stays",
  }],
  ["failed", {
    cause: "send_failed",
    fix: "the send rejected: the text says why, and docs/guarantees.md what is then known",
  }],
  ["nobody", {
    cause: "nobody",
    fix: "a send came while nobody was there: nothing is kept for a client that is not away",
  }],
]);

/** Faults between the nodes, and between them and back-ends. */
function between({ records, unheard }: Evidence): Finding[] {
  const silent = unheard.map(({ host, reason }) => {
    if (/token|secret/.test(reason)) return { cause: "wrong_secret", text: reason, fix: SAME_SECRET };
    return { cause: "unheard", text: `${host} did not answer: ${reason}`, fix: "what it knows is missing here" };
  });
  const token = records.findLast(({ kind }) => kind === "token");
  const key = records.findLast(({ kind, text }) => kind === "key" && DELIVERS.has(text.split(":", 1)[0] ?? ""));
  return [
    ...silent,
    ...refusedCall(token, "wrong_secret", SAME_SECRET),
    ...refusedCall(key, "refused_by_key", RIGHT_KEY),
  ];
}

function refusedCall(record: Record | undefined, cause: string, fix: string): Finding[] {
  if (!record) return [];
  return [{ cause, text: `${record.host} refused a call at ${timeOf(record.lastMs)}: ${record.text}`, fix }];
}

/** The calls of back-ends without which a message may be missing. */
const DELIVERS: ReadonlySet<string> = new Set([...RIGHTS.send, ...RIGHTS.manage]);
const RIGHT_KEY = "a back-end or an operator called: its key must be one of apiKeys, with the right for that call";

const SAME_SECRET = "give all nodes under one prefix the same secret and the right time: docs/wrong-clusters.md";
const MAX_REFUSALS = 5;

function timeOf(ms: bigint | number): string {
  return new Date(Number(ms)).toISOString().replace(/T(.*)\.\d+Z$/, " $1 UTC");
}
