import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../../tools/run.ts";
import { freePort } from "./free-port.ts";
import { startProgram } from "./program.ts";
import { until } from "./until.ts";

/** A running Prometheus that scrapes some targets every second, with the alert rules of deploy/. */
export interface Prometheus extends AsyncDisposable {
  /** The values that an expression has now; rejects with what is wrong with it. */
  query(expression: string): Promise<readonly QueryResult[]>;
  /** The names of the alerts that are pending or firing. */
  alerts(): Promise<string[]>;
}

/** One series of the answer to a query. */
export interface QueryResult {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [atSeconds: number, value: string];
}

interface Answer<Data> {
  readonly status: string;
  readonly error?: string;
  readonly data: Data;
}

/** Starts Prometheus, and settles once it has scraped each target twice. */
export async function startPrometheus(targets: readonly string[], token?: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), "meshsocket-prometheus-"));
  const port = await freePort();
  await writeFile(join(folder, "prometheus.yml"), configOf(targets, token));
  const program = startProgram("prometheus", [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  let ended: number | string | undefined;
  void program.ended.then((how) => (ended = how));
  const ask = async <Data>(path: string): Promise<Data> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const answer = (await response.json()) as Answer<Data>;
    if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  const query = async (expression: string): Promise<readonly QueryResult[]> => {
    return (await ask<{ result: readonly QueryResult[] }>(`query?query=${encodeURIComponent(expression)}`)).result;
  };
  const close = async (): Promise<void> => {
    if (ended === undefined) program.kill("SIGTERM");
    await program.ended;
    await rm(folder, { recursive: true });
  };
  const scraped = async (): Promise<boolean> => {
    if (ended !== undefined) throw new Error(`prometheus ended with ${ended}: ${program.output}`);
    const found = await query("count_over_time(meshsocket_topics[1m]) >= 2").catch(() => []);
    return found.length === targets.length;
  };
  try {
    await until("Prometheus to scrape", scraped);
  } catch (error) {
    await close();
    throw error;
  }
  const alerts = async (): Promise<string[]> => {
    const { alerts: found } = await ask<{ alerts: { labels: { alertname: string } }[] }>("alerts");
    return found.map(({ labels }) => labels.alertname);
  };
  return { query, alerts, [Symbol.asyncDispose]: close };
}

function configOf(targets: readonly string[], token: string | undefined): string {
  return JSON.stringify({
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    scrape_configs: [{
      job_name: "meshsocket",
      ...(token !== undefined && { authorization: { credentials: token } }),
      static_configs: [{ targets }],
    }],
    rule_files: [join(root, "deploy/prometheus/alerts.yml")],
  });
}
