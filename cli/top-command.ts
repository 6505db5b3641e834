import process from "node:process";
import type { NodeState } from "../src/gen/meshsocket/v1/watch_pb.ts";
import type { ClusterCaller } from "../adapters/dashboard/cluster-caller.ts";
import { Arguments } from "./arguments.ts";
import type { Command } from "./command.ts";
import { callerOf, CONNECTION_HELP, CONNECTION_OPTIONS } from "./cluster-caller.ts";
import { nodeTable, type Rates, ratesOf, troubles } from "./node-table.ts";
import { Output, short } from "./output.ts";
import { pause, untilInterrupted } from "./until-interrupted.ts";

const HELP = `Usage: npx meshsocket top [--interval MS] [--count N]

The nodes with their rates, again each second, until Ctrl-C. In a terminal it draws over itself.

${CONNECTION_HELP}
  --interval                       1000      milliseconds between two looks
  --count                          none      ends after so many looks

  npx meshsocket top
  npx meshsocket top --count 2 --json | tail -1

The loop delay is the longest since the look before. The key needs the right "read".`;

/** `npx meshsocket top`. */
export const topCommand: Command = {
  help: HELP,
  async run(args, environment) {
    const given = new Arguments(args, environment, { ...CONNECTION_OPTIONS, interval: "value", count: "value" });
    const output = new Output(given.flag("json"));
    const connection = callerOf(given);
    const [intervalMs, looks] = [Math.max(100, given.count("interval", 1_000)), given.count("count", 0)];
    const signal = untilInterrupted();
    const before = new Map<string, NodeState>();
    for (let look = 1; !signal.aborted; look++) {
      await show(connection, output, before);
      if (look === looks) return;
      await pause(intervalMs, signal);
    }
  },
};

async function show(connection: ClusterCaller, output: Output, before: Map<string, NodeState>): Promise<void> {
  const { nodes } = await connection.call("nodes", (client, call) => client.nodes({ state: true }, call));
  const rates = new Map<string, Rates>();
  for (const { host, state } of nodes) {
    if (!state) continue;
    const rate = ratesOf(before.get(host), state);
    if (rate) rates.set(host, rate);
    before.set(host, state);
  }
  const withRates = nodes.map((node) => ({ ...node, rates: rates.get(node.host) }));
  if (output.live) process.stdout.write("\u001b[H\u001b[2J");
  output.answer(withRates, () => {
    const clients = nodes.reduce((sum, { state }) => sum + Number(state?.clients ?? 0n), 0);
    const head = `${new Date().toISOString().slice(11, 19)}  ${nodes.length} nodes, ${short(clients)} clients`;
    return [output.strong(head), nodeTable(nodes, output, rates), ...troubles(nodes), ""].join("\n");
  });
}
