/** A client package and a server of this runtime, with a network between them that drops connections. */
import { connect, type ConnectOptions, MeshWebSocket } from "../../client/index.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session, SessionFactory } from "../../src/client/session.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { type Heard, listen } from "./client-log.ts";
import { loadServe } from "./servers.ts";
import { TcpProxy } from "./tcp-proxy.ts";

export { type Heard, took } from "./client-log.ts";

const serve = await loadServe();

export interface Scene {
  readonly hub: Hub;
  readonly proxy: TcpProxy;
  readonly url: string;
  /** A client that writes down its events; closed at the end. */
  readonly open: (options?: ConnectOptions, protocols?: string[]) => Heard;
}

export async function scene(
  session: Session | SessionFactory,
  run: (scene: Scene) => Promise<void>,
  options: HubOptions = {},
): Promise<void> {
  const hub = new Hub({ logger: silentLogger, ...options });
  const factory = typeof session === "function" ? session : (): Session => ({ id: "me", ...session });
  await using server = await serve(hub, { port: 0, hostname: "127.0.0.1", session: factory });
  const proxy = await TcpProxy.open(server.port);
  const url = `ws://${proxy.host}/`;
  const opened: MeshWebSocket[] = [];
  const open: Scene["open"] = (other, protocols) => {
    const fast = { minDelayMs: 20, ...other };
    const ws = protocols ? new MeshWebSocket(url, protocols, fast) : connect(url, fast);
    opened.push(ws);
    return listen(ws);
  };
  try {
    await run({ hub, proxy, url, open });
  } finally {
    for (const ws of opened) ws.close();
    await proxy.close();
  }
}
