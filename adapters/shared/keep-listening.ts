import { about } from "../../src/base/log/about.ts";
import { connect, type Server } from "node:net";
import { setInterval } from "node:timers";
import type { Logger } from "../../src/base/log/logger.ts";

/** How often a port is looked at, and how long a connection may take to arrive. */
const CHECK_MS = 3_000;
const ARRIVAL_MS = 1_000;
const LOOPBACK: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1" };

/** Where a server listens. */
export interface ListeningOn {
  readonly host: string;
  readonly port: number;
}

/**
 * Keeps a listening server listening until what it returns is called.
 *
 * A peer that opens connections until no file descriptor is left makes accepting fail. That must not end the process, as an
 * `error` event without a listener would; and Deno (2.9.6) never accepts again after it, and says nothing. There a port that
 * saw no connection for a while is tried by one of its own, and opened again if that does not arrive.
 */
export function keepListening(server: Server, on: ListeningOn, logger: Logger): () => void {
  server.on(
    "error",
    (error) =>
      logger.warn(
        `meshsocket: port ${on.port} could not accept a connection`,
        error,
        about("accept_failed", { port: on.port }),
      ),
  );
  if (!("Deno" in globalThis)) return () => {};
  let quiet = false;
  let trying = false;
  let stopped = false;
  server.on("connection", () => (quiet = false));
  const look = async (): Promise<void> => {
    if (quiet && !trying) {
      trying = true;
      const arrived = await arrives(server, on);
      if (!arrived && !stopped) listenAgain(server, on, logger);
      trying = false;
    }
    quiet = true;
  };
  const timer = setInterval(() => void look(), CHECK_MS);
  timer.unref();
  return () => {
    stopped = true;
    clearInterval(timer);
  };
}

/** Whether a connection of our own is accepted; true as well when it could not be tried. */
function arrives(server: Server, { host, port }: ListeningOn): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: LOOPBACK[host] ?? host, port });
    const settle = (arrived: boolean): void => {
      clearTimeout(timer);
      server.off("connection", onConnection);
      socket.destroy();
      resolve(arrived);
    };
    const onConnection = (): void => settle(true);
    // In two steps: after a pause of the whole process a timer comes before what arrived meanwhile.
    let timer = setTimeout(() => (timer = setTimeout(() => settle(false), ARRIVAL_MS / 2)), ARRIVAL_MS / 2);
    server.on("connection", onConnection);
    socket.on("error", (error) => settle((error as { code?: unknown }).code !== "ECONNREFUSED"));
  });
}

function listenAgain(server: Server, { host, port }: ListeningOn, logger: Logger): void {
  logger.warn(
    `meshsocket: port ${port} no longer accepts connections: opening it again`,
    about("port_reopened", { port }),
  );
  server.close();
  server.listen({ host, port });
}
