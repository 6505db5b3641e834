#!/usr/bin/env node
/**
 * `npx meshsocket COMMAND`: what the package runs by itself.
 *
 * Each command is a file of this folder that exports {@link Command}; it is loaded when it is called.
 * An error is one line on stderr and the exit code 1; a wrong argument is 2.
 */
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { type Command, UsageError } from "./command.ts";

const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  "redis-endpoint": {
    summary: "serves a Redis over HTTP, for edge runtimes that have no TCP connection",
    load: async () => (await import("./redis-endpoint-command.ts")).redisEndpointCommand,
  },
};

const WIDTH = Math.max(...Object.keys(COMMANDS).map((name) => name.length)) + 3;

const HELP: string = `Usage: npx meshsocket COMMAND [options]

${Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(WIDTH)}${summary}`).join("\n")}

npx meshsocket COMMAND --help tells more, and npx meshsocket --version the version.`;

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
  process.exitCode = wrong ? 2 : 1;
});
