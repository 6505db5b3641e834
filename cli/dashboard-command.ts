import { randomBytes } from "node:crypto";
import process from "node:process";
import { Arguments } from "./arguments.ts";
import { type Command, UsageError } from "./command.ts";
import { callerOf, CONNECTION_HELP, CONNECTION_OPTIONS } from "./cluster-caller.ts";
import { serveDashboard, type ServedDashboard } from "./dashboard/server.ts";

const HELP = `Usage: npx meshsocket dashboard [--host HOST] [--port PORT]

Serves a page that shows the cluster: nodes with their rates over time, clients and topics, and for each of them why, tap,
send and disconnect. It asks for the state of the nodes once a second while a page is open, and for the rest on a click.

${CONNECTION_HELP}
  --host                           127.0.0.1 the address to listen on
  --port                           8090      0 takes any free port
               MESHSOCKET_DASHBOARD_KEY      the key that opens the page, at least 16 characters; default: a new one each time

  MESHSOCKET_URL=http://10.0.0.5:8081 MESHSOCKET_KEY=… npx meshsocket dashboard

The page can do what the key of the cluster opens: "read" to look, "tap" and "payloads" for messages, "send", "manage" to
disconnect. On another address than loopback put TLS in front of it. Ctrl-C ends it.`;

/** `npx meshsocket dashboard`. */
export const dashboardCommand: Command = {
  help: HELP,
  async run(args, environment) {
    const given = new Arguments(args, environment, { ...CONNECTION_OPTIONS, host: "value", port: "value" });
    const key = environment["MESHSOCKET_DASHBOARD_KEY"] || randomBytes(18).toString("base64url");
    if (!/^[\x21-\x7e]{16,}$/.test(key)) {
      throw new UsageError("MESHSOCKET_DASHBOARD_KEY must have at least 16 characters and no spaces");
    }
    const connection = callerOf(given);
    const [hostname, port] = [given.value("host") ?? "127.0.0.1", given.count("port", 8_090, 65_535)];
    const served = await serveDashboard({ connection, key, hostname, port }).catch((error: unknown) => {
      const code = String((error as { code?: unknown }).code ?? error);
      const why = code === "EADDRINUSE" ? "the port is taken: choose another --port" : code;
      throw new Error(`could not listen on ${hostname}:${port}: ${why}`, { cause: error });
    });
    console.log(`dashboard of the cluster at ${connection.host}: ${served.url}`);
    endOnSignal(served);
  },
};

function endOnSignal(served: ServedDashboard): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      served.close().then(() => process.exit(0), () => process.exit(1));
    });
  }
}
