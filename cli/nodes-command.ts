import process from "node:process";
import { Arguments } from "./arguments.ts";
import { type Command, ExitCode } from "./command.ts";
import { callerOf, CONNECTION_HELP, CONNECTION_OPTIONS } from "./cluster-caller.ts";
import { nodeTable, troubles } from "./node-table.ts";
import { Output } from "./output.ts";

const HELP = `Usage: npx meshsocket nodes [--json]

The nodes of the cluster, each with its clients, memory, loop delay, lease and links.
npx meshsocket top shows rates besides, and goes on.

${CONNECTION_HELP}

  export MESHSOCKET_URL=http://10.0.0.5:8081 MESHSOCKET_KEY=…
  npx meshsocket nodes
  npx meshsocket nodes --json | jq '.[].state.clients'

Exit code 3 if a node is not ready, or does not answer. The key needs the right "read".`;

/** `npx meshsocket nodes`. */
export const nodesCommand: Command = {
  help: HELP,
  async run(args, environment) {
    const given = new Arguments(args, environment, CONNECTION_OPTIONS);
    const output = new Output(given.flag("json"));
    const { nodes } = await callerOf(given).call(
      "nodes",
      (client, call) => client.nodes({ state: true }, call),
    );
    output.answer(nodes, () => [nodeTable(nodes, output), ...troubles(nodes)].join("\n"));
    if (nodes.some(({ state }) => state?.status !== "ready")) process.exitCode = ExitCode.No;
  },
};
