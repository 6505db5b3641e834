/** Proxies that people put in front of an RPC port, with HTTP/2 on both sides. */
import { nginxFolders } from "./nginx.ts";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProgram } from "./program.ts";
import { until } from "./until.ts";

/** A running proxy. */
export interface Front {
  readonly port: number;
  /** `host:port` to dial. */
  readonly host: string;
  close(): Promise<void>;
}

type Configure = (folder: string, port: number, target: number) => { text: string; command: string; args: string[] };

/** How each proxy is set up. */
export const FRONTS: Readonly<Record<"haproxy" | "nginx", Configure>> = {
  haproxy: (folder, port, target) => ({
    text: `
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend rpc
  bind 127.0.0.1:${port} proto h2
  default_backend node
backend node
  server node 127.0.0.1:${target} proto h2
`,
    command: "haproxy",
    args: ["-f", join(folder, "conf")],
  }),
  nginx: (folder, port, target) => ({
    text: `
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr error;
events {}
http {
  access_log off;
  ${nginxFolders(folder)}
  server {
    listen 127.0.0.1:${port} http2;
    client_max_body_size 0;
    location / {
      grpc_pass grpc://127.0.0.1:${target};
    }
  }
}
`,
    command: "nginx",
    args: ["-p", folder, "-e", "stderr", "-c", join(folder, "conf")],
  }),
};

/** Starts a proxy in front of a port of this machine; resolves once it takes connections. */
export async function startFront(name: keyof typeof FRONTS, target: number): Promise<Front> {
  const folder = await mkdtemp(join(tmpdir(), `meshsocket-${name}-`));
  const port = await freePort();
  const { text, command, args } = FRONTS[name](folder, port, target);
  await writeFile(join(folder, "conf"), text);
  const program = startProgram(command, args);
  const close = async (): Promise<void> => {
    program.kill("SIGKILL");
    await program.ended;
    await rm(folder, { recursive: true });
  };
  try {
    let ended = false;
    void program.ended.then(() => (ended = true));
    await until(`${name} to listen`, async () => {
      if (ended) throw new Error(`${name} ended: ${program.output}`);
      return await listens(port);
    });
    return { port, host: `127.0.0.1:${port}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
