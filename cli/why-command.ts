import process from "node:process";
import type { Record, WhyResponse } from "../src/gen/meshsocket/v1/watch_pb.ts";
import { Arguments } from "./arguments.ts";
import { type Command, ExitCode } from "./command.ts";
import { callerOf, CONNECTION_HELP, CONNECTION_OPTIONS } from "./cluster-caller.ts";
import { ago, bytes, clock, Output, shown } from "./output.ts";
import { subjectOf } from "./tap-command.ts";

const HELP = `Usage: npx meshsocket why ID
       npx meshsocket why --topic TOPIC

Why messages reach a client, or do not: where it is and since when, its topics and buffer, and what happened to it in the
last minutes on all nodes, in the order of time: connects, closes, refusals, takeovers, drops, failed handlers and sends.

${CONNECTION_HELP}
  --topic                                    a topic rather than a client

  npx meshsocket why alice
  npx meshsocket why --topic room:1 --json | jq -r '.findings[0].cause'

Each node remembers its last limits.maxRecords records, and never a message. Exit code 3 if nobody is there.
The key needs the right "read".`;

/** `npx meshsocket why`. */
export const whyCommand: Command = {
  help: HELP,
  async run(args, environment) {
    const given = new Arguments(args, environment, { ...CONNECTION_OPTIONS, topic: "value" }, ["ID?"]);
    const output = new Output(given.flag("json"));
    const subject = subjectOf(given);
    const answer = await callerOf(given).call("why", (client, call) => client.why({ subject }, call));
    output.answer(answer, () => textOf(answer, output));
    if (answer.clients.length + answer.topics.length === 0) process.exitCode = ExitCode.No;
  },
};

function textOf(answer: WhyResponse, output: Output): string {
  const { findings, clients, topics, holder, records, unheard, sinceMs } = answer;
  const lines = findings.flatMap(({ text, fix }, at) => [
    at === 0 ? output.strong(text) : text,
    output.faint(`  → ${fix}`),
  ]);
  if (holder) {
    lines.push("", `storage   ${shown(holder.host)}${holder.confirmed ? "" : output.bad(", which does not have it")}`);
  }
  for (const client of clients) {
    const { host, away, sinceMs: since, address, protocol, user, topics: own, bufferedBytes, sent } = client;
    lines.push(
      `node      ${shown(host)}, ${away ? output.bad("away") : output.good("connected")}, since ${ago(since)}`,
      `client    ${shown(address)}${protocol && `, ${shown(protocol)}`}${user && `, user ${shown(user)}`}`,
      `buffer    ${bytes(Number(bufferedBytes))}, ${sent} messages sent`,
      `topics    ${own.map(shown).join(", ") || "none"}`,
    );
  }
  for (const { host, listeners } of topics) lines.push(`node      ${shown(host)}, ${listeners} listeners`);
  for (const { host, reason } of unheard) lines.push(output.bad(`${shown(host)} did not answer: ${reason}`));
  const since = `since ${new Date(Number(sinceMs)).toISOString().slice(0, 19)}Z`;
  lines.push("", output.faint(records.length === 0 ? `nothing happened ${since}` : `what happened ${since}:`));
  return [...lines, ...records.map((record) => recordLine(record, output))].join("\n");
}

function recordLine({ atMs, host, kind, text, code, times }: Record, output: Output): string {
  const what = [code > 0 ? String(code) : "", text].filter((part) => part !== "").join(" ");
  const often = times > 1 ? output.bad(` (${times} times)`) : "";
  return `${output.faint(clock(atMs))} ${shown(host)} ${output.strong(kind)} ${what}${often}`;
}
