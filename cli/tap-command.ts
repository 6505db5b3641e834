import type { TapResponse } from "../src/gen/meshsocket/v1/watch_pb.ts";
import { Arguments } from "./arguments.ts";
import { type Command, UsageError } from "./command.ts";
import { callerOf, CONNECTION_HELP, CONNECTION_OPTIONS } from "./cluster-caller.ts";
import { clock, Output, shown } from "./output.ts";
import { untilInterrupted } from "./until-interrupted.ts";

const HELP = `Usage: npx meshsocket tap ID
       npx meshsocket tap --topic TOPIC

The messages to and from one client, or to one topic, as they pass on any node, until Ctrl-C.
It also tells when the client connects, drops, comes back and is closed, and why.

${CONNECTION_HELP}
  --topic                                    a topic rather than a client
  --payloads                                 also the contents, if the key has the right "payloads"
  --per-second                     50        at most so many messages from each node; more are counted
  --count                          none      ends after so many messages

  npx meshsocket tap alice
  npx meshsocket tap --topic room:1 --payloads --json > room.jsonl

A tap costs the other clients nothing, and ends with this command. The key needs the right "tap".`;

/** `npx meshsocket tap`. */
export const tapCommand: Command = {
  help: HELP,
  async run(args, environment) {
    const kinds = {
      ...CONNECTION_OPTIONS,
      topic: "value",
      payloads: "flag",
      "per-second": "value",
      count: "value",
    } as const;
    const given = new Arguments(args, environment, kinds, ["ID?"]);
    const output = new Output(given.flag("json"));
    const request = {
      subject: subjectOf(given),
      payloads: given.flag("payloads"),
      perSecond: given.count("per-second", 0),
    };
    const left = given.count("count", 0);
    // A stream that is only left would wait for its next message.
    const enough = new AbortController();
    const signal = AbortSignal.any([untilInterrupted(), enough.signal]);
    const messages = callerOf(given).stream("tap", (client) => client.tap(request, { signal }), signal);
    let seen = 0;
    for await (const message of messages) {
      output.answer(message, () => lineOf(message, output));
      if (MESSAGES.has(message.kind) && ++seen === left) enough.abort();
    }
  },
};

/** The client or the topic that a command is about. Throws a {@link UsageError} unless it is one of them. */
export function subjectOf(given: Arguments): { case: "id" | "topic"; value: string } {
  const [id] = given.positionals;
  const topic = given.value("topic");
  if (id !== undefined && topic !== undefined) throw new UsageError("give an ID or a --topic, not both");
  if (id !== undefined) return { case: "id", value: id };
  if (topic !== undefined) return { case: "topic", value: topic };
  throw new UsageError("ID is missing, or --topic TOPIC");
}

const MESSAGES: ReadonlySet<string> = new Set(["sent", "received", "published"]);
const ARROWS: Readonly<Record<string, string>> = { sent: "→", received: "←", published: "⇉" };

function lineOf(message: TapResponse, output: Output): string {
  const { atMs, host, kind, id, topic, text, missed, offered } = message;
  const start = `${output.faint(clock(atMs))} ${output.faint(shown(host))}`;
  const left = missed > 0n ? output.bad(` (${missed} before it were left out)`) : "";
  if (!MESSAGES.has(kind)) return `${start} ${output.strong(kind)} ${text}${left}`.trimEnd();
  const to = kind === "published" ? ` to ${offered} clients` : "";
  return `${start} ${ARROWS[kind] ?? ""} ${shown(id || topic)}${to} ${contentOf(message)}${left}`;
}

function contentOf({ bytes, binary, payload }: TapResponse): string {
  const size = `${bytes} ${binary ? "bytes" : "characters"}`;
  if (payload.byteLength === 0) return size;
  const cut = BigInt(payload.byteLength) < bytes ? "…" : "";
  const content = binary
    ? Array.from(payload.subarray(0, 64), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
    : JSON.stringify(new TextDecoder().decode(payload));
  return `${size} ${content}${cut}`;
}
