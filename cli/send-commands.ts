import process from "node:process";
import { Arguments } from "./arguments.ts";
import { type Command, ExitCode } from "./command.ts";
import { callerOf, CONNECTION_HELP, CONNECTION_OPTIONS } from "./cluster-caller.ts";
import { messageArgument } from "./message-argument.ts";
import { Output, shown } from "./output.ts";

const EMIT_HELP = `Usage: npx meshsocket emit ID MESSAGE [--confirm] [--base64]

Sends a message to one client, on whatever node it is. MESSAGE is text, or - for standard input.

${CONNECTION_HELP}
  --confirm                                  waits until the client, of meshsocket/client, has it
  --base64                                   MESSAGE is base64, and is sent as bytes

  npx meshsocket emit alice 'your order shipped'
  npx meshsocket emit alice - < order.json || npx meshsocket why alice

Exit code 3 if nobody has the id, or its buffer is full. The key needs the right "send".`;

/** `npx meshsocket emit`. */
export const emitCommand: Command = {
  help: EMIT_HELP,
  async run(args, environment) {
    const kinds = { ...CONNECTION_OPTIONS, confirm: "flag", base64: "flag" } as const;
    const given = new Arguments(args, environment, kinds, ["ID", "MESSAGE"]);
    const [id = "", text = ""] = given.positionals;
    const output = new Output(given.flag("json"));
    const connection = callerOf(given);
    const message = { ...(await messageArgument(given, text)), confirm: given.flag("confirm") };
    const answer = await connection.call("emit", (client, call) => client.emit({ id, ...message }, call));
    const how = message.confirm ? "confirmed by" : "accepted for";
    output.answer(
      answer,
      () =>
        answer.accepted
          ? output.good(`${how} ${shown(id)}`)
          : `${output.bad("not accepted")}: npx meshsocket why ${shown(id)} says why`,
    );
    if (!answer.accepted) process.exitCode = ExitCode.No;
  },
};

const PUBLISH_HELP = `Usage: npx meshsocket publish TOPIC MESSAGE [--base64]

Sends a message to all clients that listen on a topic. MESSAGE is text, or - for standard input.

${CONNECTION_HELP}
  --base64                                   MESSAGE is base64, and is sent as bytes

  npx meshsocket publish room:1 'the server restarts at noon'

Exit code 3 if it reached nobody, or not everybody. The key needs the right "send".`;

/** `npx meshsocket publish`. */
export const publishCommand: Command = {
  help: PUBLISH_HELP,
  async run(args, environment) {
    const given = new Arguments(args, environment, { ...CONNECTION_OPTIONS, base64: "flag" }, ["TOPIC", "MESSAGE"]);
    const [topic = "", text = ""] = given.positionals;
    const output = new Output(given.flag("json"));
    const connection = callerOf(given);
    const message = await messageArgument(given, text);
    const answer = await connection.call("publish", (client, call) => client.publish({ topic, ...message }, call));
    const { delivered = 0n, held = 0n, dropped = 0n, unreachable = [] } = answer.delivery ?? {};
    const whole = delivered + held > 0n && dropped === 0n && unreachable.length === 0;
    output.answer({ delivered, held, dropped, unreachable }, () => {
      const counts = `delivered ${delivered}, held ${held}, dropped ${dropped}`;
      const missing = unreachable.length > 0 ? `, not reached: ${unreachable.map(shown).join(", ")}` : "";
      return whole ? output.good(counts) : output.bad(counts + missing);
    });
    if (!whole) process.exitCode = ExitCode.No;
  },
};
