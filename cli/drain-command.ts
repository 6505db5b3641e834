import type { Node } from "../src/gen/meshsocket/v1/cluster_pb.ts";
import type { ClusterCaller } from "../adapters/dashboard/cluster-caller.ts";
import { Arguments } from "./arguments.ts";
import type { Command } from "./command.ts";
import { callerOf, CONNECTION_HELP, CONNECTION_OPTIONS } from "./cluster-caller.ts";
import { Output, shown } from "./output.ts";
import { pause, untilInterrupted } from "./until-interrupted.ts";

const HELP = `Usage: npx meshsocket drain NODE [--announce MS] [--drain MS] [--no-wait]

Has a node send its clients to the others and leave the cluster, as hub.close({ announceMs, drainMs }) does, and waits until
it has left. The process itself stays: stop or restart it afterwards.

${CONNECTION_HELP}
  --announce                       0         milliseconds for which it still serves and is not ready
  --drain                          10000     milliseconds over which its clients are sent away
  --no-wait                                  does not wait for the end

  npx meshsocket drain 10.0.0.5:8081 --announce 5000 --drain 30000

Ask another node than the one that leaves, or a load balancer. The key needs the right "drain", and "read" to wait.`;

/** `npx meshsocket drain`. */
export const drainCommand: Command = {
  help: HELP,
  async run(args, environment) {
    const kinds = { ...CONNECTION_OPTIONS, announce: "value", drain: "value", "no-wait": "flag" } as const;
    const given = new Arguments(args, environment, kinds, ["NODE"]);
    const [host = ""] = given.positionals;
    const output = new Output(given.flag("json"));
    const connection = callerOf(given);
    const request = { host, announceMs: given.count("announce", 0), drainMs: given.count("drain", 10_000) };
    const { clients } = await connection.call("drain", (client, call) => client.drain(request, call));
    output.progress(`${shown(host)} drains: ${clients} clients are to move`);
    if (!given.flag("no-wait")) await follow(connection, host, output);
    output.answer(
      { host, clients },
      () => output.good(`${shown(host)} ${given.flag("no-wait") ? "drains" : "has left"}`),
    );
  },
};

/** Tells how many clients are left, until the node is gone from the cluster. */
async function follow(connection: ClusterCaller, host: string, output: Output): Promise<void> {
  const signal = untilInterrupted();
  let told = "";
  while (!signal.aborted) {
    await pause(500, signal);
    const node = await stateOf(connection, host);
    if (!node?.state) return;
    const text = `${shown(host)} ${node.state.status}: ${node.state.clients} clients are left`;
    if (text !== told) output.progress(text);
    told = text;
  }
}

/** Undefined once the node has left; if the node that is asked is the one that leaves, once it does not answer. */
async function stateOf(connection: ClusterCaller, host: string): Promise<Node | undefined> {
  try {
    const { nodes } = await connection.call("nodes", (client, call) => client.nodes({ state: true }, call));
    return nodes.find((node) => node.host === host);
  } catch (error) {
    if (host === connection.host) return undefined;
    throw error;
  }
}
