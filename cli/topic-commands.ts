import process from "node:process";
import { WatchPresenceResponse_Change as Change } from "../src/gen/meshsocket/v1/cluster_pb.ts";
import { Arguments } from "./arguments.ts";
import { type Command, ExitCode } from "./command.ts";
import { callerOf, CONNECTION_HELP, CONNECTION_OPTIONS } from "./cluster-caller.ts";
import { clock, Output, shown, table } from "./output.ts";
import { untilInterrupted } from "./until-interrupted.ts";

const MEMBERS_HELP = `Usage: npx meshsocket members TOPIC

The clients that listen on a topic, over all nodes, with the info that their sessions gave.

${CONNECTION_HELP}

  npx meshsocket members room:1 --json | jq -r '.members[].id'

Exit code 3 if nobody listens, or a node did not answer. The key needs the right "read".`;

/** `npx meshsocket members`. */
export const membersCommand: Command = {
  help: MEMBERS_HELP,
  async run(args, environment) {
    const given = new Arguments(args, environment, CONNECTION_OPTIONS, ["TOPIC"]);
    const [topic = ""] = given.positionals;
    const output = new Output(given.flag("json"));
    const connection = callerOf(given);
    const { ids, infos, unreachable } = await connection.call(
      "members",
      (client, call) => client.members({ topic }, call),
    );
    const members = ids.map((id, at) => ({ id, info: infos[at] ? JSON.parse(infos[at]) as unknown : undefined }));
    output.answer({ members, unreachable }, () => {
      const rows = members.map(({ id, info }) => [shown(id), info === undefined ? "" : JSON.stringify(info)]);
      const lines = unreachable.map((host) => output.bad(`${shown(host)} did not answer: its members are missing`));
      const none = rows.length === 0 ? [`nobody listens: npx meshsocket why --topic ${shown(topic)} says more`] : [];
      return [...(rows.length > 0 ? [table(["ID", "INFO"], rows)] : none), ...lines].join("\n");
    });
    if (ids.length === 0 || unreachable.length > 0) process.exitCode = ExitCode.No;
  },
};

const WATCH_HELP = `Usage: npx meshsocket watch TOPIC

The clients that begin and cease to listen on a topic, as it happens, until Ctrl-C. Those that are there come first.

${CONNECTION_HELP}

  npx meshsocket watch room:1

npx meshsocket tap --topic TOPIC shows the messages. The key needs the right "read".`;

/** `npx meshsocket watch`. */
export const watchCommand: Command = {
  help: WATCH_HELP,
  async run(args, environment) {
    const given = new Arguments(args, environment, CONNECTION_OPTIONS, ["TOPIC"]);
    const [topic = ""] = given.positionals;
    const output = new Output(given.flag("json"));
    const signal = untilInterrupted();
    const changes = callerOf(given).stream(
      "watch",
      (client) => client.watchPresence({ topic }, { signal }),
      signal,
    );
    for await (const { change, id, user, info } of changes) {
      const type = TYPES.get(change);
      if (type === undefined) continue;
      output.answer({ type, id, user, info, atMs: Date.now() }, () => {
        const what = { join: output.good("join  "), leave: output.bad("leave "), update: "update" }[type];
        return [output.faint(clock(Date.now())), what, shown(id), user && `user ${shown(user)}`, info]
          .join(" ").trimEnd();
      });
    }
  },
};

const TYPES: ReadonlyMap<Change, "join" | "leave" | "update"> = new Map([
  [Change.JOIN, "join"],
  [Change.LEAVE, "leave"],
  [Change.UPDATE, "update"],
]);
