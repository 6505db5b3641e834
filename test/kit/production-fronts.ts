/** The proxies of docs/production.md, started with the settings of that page. */
import { nginxFolders } from "./nginx.ts";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { root } from "../../tools/run.ts";
import { selfSigned } from "./certificate.ts";
import { freePort } from "./free-port.ts";
import { type Program, startProgram } from "./program.ts";
import { until } from "./until.ts";

/** The proxies whose settings the page shows. */
export type FrontName = "nginx" | "haproxy";

/** A running proxy of docs/production.md, with TLS. */
export interface ProductionFront {
  readonly port: number;
  /** The authority of its certificate. */
  readonly ca: string;
  /** Reads its settings again, as an operator tells it to; resolves once new connections are answered by them. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** What a test changes in the page's settings: addresses, and times that it cannot wait for. */
export interface FrontOptions {
  /** The ports of the two nodes. */
  readonly nodes: readonly [number, number];
  /** Seconds instead of the 75 after which an idle connection is cut. */
  readonly idleSeconds?: number;
}

/** Starts a proxy with the settings that the page shows; fails if the page does not have what is changed in them. */
export async function startProductionFront(name: FrontName, options: FrontOptions): Promise<ProductionFront> {
  const folder = mkdtempSync(join(tmpdir(), `meshsocket-${name}-`));
  const [port, versionPort] = [await freePort(), await freePort()];
  const { cert, key } = selfSigned();
  for (const [file, text] of [["app.crt", cert], ["app.key", key], ["app.pem", cert + key]]) {
    writeFileSync(join(folder, file ?? ""), text ?? "");
  }
  let version = 0;
  const write = (): void => {
    const text = changed(snippet(name), changesOf(name, { ...options, port, folder }));
    writeFileSync(join(folder, "conf"), WHOLE[name]({ text, folder, versionPort, version: ++version }));
  };
  write();
  const program = startProgram(name, COMMANDS[name](folder));
  const serving = (): Promise<void> => until(`${name} to serve`, () => answers(program, versionPort, version));
  const close = async (): Promise<void> => {
    // Not SIGKILL: the workers would stay.
    program.kill("SIGTERM");
    await program.ended;
    rmSync(folder, { recursive: true });
  };
  await serving().catch(async (error: unknown) => {
    await close();
    throw new Error(`${name} does not serve: ${program.output}`, { cause: error });
  });
  const reload = async (): Promise<void> => {
    write();
    process.kill(program.pid, RELOADS[name]);
    await serving();
  };
  return { port, ca: cert, reload, close };
}

const RELOADS = { nginx: "SIGHUP", haproxy: "SIGUSR2" } as const;

const COMMANDS: Readonly<Record<FrontName, (folder: string) => string[]>> = {
  nginx: (folder) => ["-p", folder, "-e", "stderr", "-c", join(folder, "conf")],
  haproxy: (folder) => ["-W", "-db", "-f", join(folder, "conf")],
};

/** A code block of the page. */
function snippet(language: string): string {
  const page = readFileSync(join(root, "docs/production.md"), "utf8");
  const [, text] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(page) ?? [];
  if (text === undefined) throw new Error(`docs/production.md has no block of ${language}`);
  return text;
}

type Change = readonly [from: string, to: string];

function changesOf(name: FrontName, options: FrontOptions & { port: number; folder: string }): Change[] {
  const { nodes: [one, two], port, folder, idleSeconds } = options;
  const listen: Change = name === "nginx"
    ? ["listen 443 ssl", `listen 127.0.0.1:${port} ssl`]
    : ["bind :443", `bind 127.0.0.1:${port}`];
  return [
    listen,
    ["/etc/ssl", folder],
    ["10.0.0.1:8080", `127.0.0.1:${one}`],
    ["10.0.0.2:8080", `127.0.0.1:${two}`],
    ...(idleSeconds === undefined ? [] : [["75s", `${idleSeconds}s`] as const]),
  ];
}

function changed(text: string, changes: readonly Change[]): string {
  return changes.reduce((result, [from, to]) => {
    if (!result.includes(from)) throw new Error(`docs/production.md does not say ${from}`);
    return result.replaceAll(from, to);
  }, text);
}

interface Parts {
  readonly text: string;
  readonly folder: string;
  /** Where the proxy answers with the number of its settings. */
  readonly versionPort: number;
  readonly version: number;
}

/** The settings around those of the page. */
const WHOLE: Readonly<Record<FrontName, (parts: Parts) => string>> = {
  nginx: ({ text, folder, versionPort, version }) => `
${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  ${nginxFolders(folder)}
  server {
    listen 127.0.0.1:${versionPort};
    location / { return 200 "${version}"; }
  }
${text}
}
`,
  haproxy: ({ text, versionPort, version }) => `
global
  maxconn 4096

${text}
frontend version
  bind 127.0.0.1:${versionPort}
  http-request return status 200 content-type text/plain string "${version}"
`,
};

async function answers(program: Program, port: number, version: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } }).catch(() =>
    undefined
  );
  return (await response?.text()) === String(version) && program.pid !== 0;
}
