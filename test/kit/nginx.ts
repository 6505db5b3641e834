import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { freePort } from "./free-port.ts";
import { startProgram } from "./program.ts";
import { until } from "./until.ts";

/** A running nginx with a master and a worker, which takes new settings as one in production does. */
export interface Nginx {
  readonly port: number;
  /** Reloads with other settings; resolves once new connections are answered by them. */
  reload(http: string): Promise<void>;
  close(): Promise<void>;
}

/** Where nginx answers with the number of its settings. */
const VERSION_PATH = "/nginx-version";

/** Starts nginx with one `server` of these settings, and `http` settings before it. */
export async function startNginx(http: string, server: string): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), "meshsocket-nginx-"));
  const port = await freePort();
  let version = 0;
  const write = (upstreams: string): Promise<void> =>
    writeFile(join(folder, "conf"), configOf(folder, port, upstreams, server, ++version));
  const answers = async (): Promise<boolean> => {
    const response = await fetch(`http://127.0.0.1:${port}${VERSION_PATH}`).catch(() => undefined);
    return (await response?.text()) === String(version);
  };
  await write(http);
  const program = startProgram("nginx", ["-p", folder, "-e", "stderr", "-c", join(folder, "conf")]);
  let ended: number | string | undefined;
  void program.ended.then((how) => (ended = how));
  const serving = (): Promise<void> =>
    until("nginx to answer", () => {
      if (ended !== undefined) throw new Error(`nginx ended with ${ended}: ${program.output}`);
      return answers();
    });
  const close = async (): Promise<void> => {
    // Not SIGKILL: its worker would stay.
    if (ended === undefined) program.kill("SIGTERM");
    await program.ended;
    await rm(folder, { recursive: true });
  };
  try {
    await serving();
  } catch (error) {
    await close();
    throw error;
  }
  const reload = async (upstreams: string): Promise<void> => {
    await write(upstreams);
    process.kill(program.pid, "SIGHUP");
    await serving();
  };
  return { port, reload, close };
}

function configOf(folder: string, port: number, http: string, server: string, version: number): string {
  return `
${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr error;
events {}
http {
  access_log off;
  ${nginxFolders(folder)}
  ${http}
  server {
    listen 127.0.0.1:${port};
    location = ${VERSION_PATH} { return 200 "${version}"; }
    ${server}
  }
}
`;
}

/** The folders that nginx writes to: all in the one of the test. */
export function nginxFolders(folder: string): string {
  const kinds = { client_body: "body", proxy: "proxy", fastcgi: "fastcgi", uwsgi: "uwsgi", scgi: "scgi" };
  return Object.entries(kinds).map(([kind, name]) => `${kind}_temp_path ${folder}/${name};`).join("\n  ");
}
