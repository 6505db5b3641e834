#!/usr/bin/env node
/**
 * `npx meshsocket COMMAND`: what the package runs by itself.
 *
 * Each command is a file of this folder that exports {@link Command}; it is loaded when it is called.
 * An error is one line on stderr and the exit code 1; a wrong argument is 2. See {@link ExitCode} for the others.
 */
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { type Command, ExitCode, UsageError } from "./command.ts";

const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  nodes: {
    summary: "the nodes with their clients, memory, loop delay, lease and links",
    load: async () => (await import("./nodes-command.ts")).nodesCommand,
  },
  top: {
    summary: "the same with rates, again each second",
    load: async () => (await import("./top-command.ts")).topCommand,
  },
  why: {
    summary: "why messages reach a client or a topic, or do not",
    load: async () => (await import("./why-command.ts")).whyCommand,
  },
  tap: {
    summary: "the messages to and from a client, or to a topic, as they pass",
    load: async () => (await import("./tap-command.ts")).tapCommand,
  },
  emit: {
    summary: "sends to one client",
    load: async () => (await import("./send-commands.ts")).emitCommand,
  },
  publish: {
    summary: "sends to the clients that listen on a topic",
    load: async () => (await import("./send-commands.ts")).publishCommand,
  },
  members: {
    summary: "the clients that listen on a topic",
    load: async () => (await import("./topic-commands.ts")).membersCommand,
  },
  watch: {
    summary: "the clients that begin and cease to listen on a topic, as it happens",
    load: async () => (await import("./topic-commands.ts")).watchCommand,
  },
  drain: {
    summary: "has a node send its clients to the others and leave",
    load: async () => (await import("./drain-command.ts")).drainCommand,
  },
  token: {
    summary: "makes a token for calls by gRPC or HTTP",
    load: async () => (await import("./token-command.ts")).tokenCommand,
  },
  dashboard: {
    summary: "serves a page that shows the cluster, its clients and topics",
    load: async () => (await import("./dashboard-command.ts")).dashboardCommand,
  },
  doctor: {
    summary: "looks for what is wrong with a deployment",
    load: async () => (await import("./doctor-command.ts")).doctorCommand,
  },
  "redis-endpoint": {
    summary: "serves a Redis over HTTP, for edge runtimes that have no TCP connection",
    load: async () => (await import("./redis-endpoint-command.ts")).redisEndpointCommand,
  },
};

const WIDTH = Math.max(...Object.keys(COMMANDS).map((name) => name.length)) + 3;

const HELP: string = `Usage: npx meshsocket COMMAND [options]

${Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(WIDTH)}${summary}`).join("\n")}

Those that ask a node need MESHSOCKET_URL, and MESHSOCKET_KEY if the cluster has a secret.
npx meshsocket COMMAND --help tells more, and npx meshsocket --version the version.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 done and the answer is no.`;

async function main([name = "", ...rest]: readonly string[]): Promise<void> {
  // Here, so that a Node that is too old is told in a line.
  await import("../src/base/check/check-node.ts");
  if (["--help", "-h", "help"].includes(name)) return console.log(HELP);
  if (["--version", "-v", "version"].includes(name)) return console.log(version());
  const known = isCommand(name) ? COMMANDS[name] : undefined;
  if (known === undefined) {
    const what = name === "" ? "a command is missing" : `there is no command ${JSON.stringify(name)}`;
    throw new UsageError(`${what}. There are: ${Object.keys(COMMANDS).join(", ")}`);
  }
  const command = await known.load();
  if (rest.includes("--help") || rest.includes("-h")) return console.log(command.help);
  await command.run(rest, process.env);
}

function isCommand(name: string): boolean {
  return Object.hasOwn(COMMANDS, name);
}

/** The version in the manifest of the package, which is one folder above the source and two above what is built. */
function version(): string {
  const [near, far] = ["../package.json", "../../package.json"].map((path) => new URL(path, import.meta.url));
  const manifest = near && existsSync(near) ? near : far;
  return manifest ? (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version : "";
}

const args = process.argv.slice(2);
main(args).catch((error: unknown) => {
  const wrong = error instanceof UsageError;
  const more = wrong
    ? `\nmeshsocket: ${["npx meshsocket", ...args.slice(0, 1).filter(isCommand), "--help"].join(" ")} tells more`
    : "";
  console.error(`meshsocket: ${error instanceof Error ? error.message : String(error)}${more}`);
  process.exitCode = wrong ? ExitCode.Usage : ExitCode.Failed;
});
