/** Loggers that take fields, such as pino, get an event and its facts; all others get text and error. */
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { type Logger as Pino, pino } from "pino";
import { MeshError } from "../../src/base/error.ts";
import { about, type LogEvent } from "../../src/base/log/about.ts";
import { LimitedLogger } from "../../src/base/log/limited-logger.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { Hub } from "../../src/hub/hub.ts";
import { readFiles, readSource } from "../meta/source.ts";
import { MemoryClient, upgradeRequest } from "../kit/memory-client.ts";
import { MemoryCluster } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";

type Line = Record<string, unknown> & { readonly msg: string };

/** A pino whose lines are kept. */
function kept(): { logger: Pino; lines: Line[] } {
  const lines: Line[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)) as Line);
      done();
    },
  });
  return { logger: pino({ level: "debug", base: null, timestamp: false }, stream), lines };
}

test("log: pino gets the event, the client and the error of a handler that failed, with its stack", async () => {
  const { logger, lines } = kept();
  await using hub = new Hub({ logger, handlerError: "report" });
  const client = await MemoryClient.open(hub, {
    id: "alice",
    onEvent() {
      throw new Error("boom");
    },
  });
  client.send("x");
  await until("the line", () => lines.length > 0);
  const [{ error, ...line } = { msg: "" }] = lines;
  assert.deepEqual(line, {
    level: 50,
    event: "handler_failed",
    client: "alice",
    handler: "onEvent",
    msg: 'meshsocket: onEvent of client "alice" failed',
  });
  const { type, message, stack } = error as Record<string, string>;
  assert.deepEqual([type, message], ["Error", "boom"]);
  assert.match(stack ?? "", /structured-log\.test\.ts/);
});

test("log: the lines of a node of a cluster name this host and the other node", async () => {
  const { logger, lines } = kept();
  await using cluster = new MemoryCluster();
  await cluster.start({ logger });
  const b = await cluster.start();
  await until("the other node", () => lines.some(({ event }) => event === "node_joined"));
  const joined = lines.find(({ event }) => event === "node_joined");
  assert.deepEqual(joined, {
    level: 30,
    event: "node_joined",
    host: "node-1:1",
    node: b.host,
    msg: `meshsocket: node ${b.host} joined`,
  });
});

test("log: a failure has the code of its error, and how long a drain took is a number", async () => {
  const { logger, lines } = kept();
  const hub = new Hub({ logger });
  await hub.emit("alice", 5 as never).catch(() => {});
  await hub.close();
  assert.deepEqual(lines.map(({ event, code }) => [event, code]), [
    ["call_failed", "invalid_argument"],
    ["draining", undefined],
    ["closed", undefined],
  ]);
  assert.equal(typeof lines[2]?.["durationMs"], "number");
});

test("log: a refused page and a child of pino", async () => {
  const { logger, lines } = kept();
  await using hub = new Hub({ logger: logger.child({ app: "chat" }) });
  const page = new Headers(upgradeRequest().headers);
  page.set("origin", "http://evil.example");
  await hub.admit(new Request("http://localhost/?token=canary", { headers: page }), () => ({}), { remoteAddress: "" });
  const [{ msg, ...line } = { msg: "" }] = lines;
  assert.deepEqual(line, { level: 40, app: "chat", event: "page_refused", origin: "http://evil.example" });
  assert.match(msg, /may not connect to localhost/);
  assert.doesNotMatch(JSON.stringify(lines), /canary/);
});

test("log: of an error the fields hold what is known, and not what a library has put on it", () => {
  const { logger, lines } = kept();
  const foreign = Object.assign(new Error("refused"), { code: "ECONNREFUSED", headers: { authorization: "canary" } });
  const cause = new MeshError("unavailable", "could not reach the storage", { cause: foreign });
  new LimitedLogger(logger).warn("meshsocket: degraded", cause, about("degraded"));
  assert.doesNotMatch(JSON.stringify(lines), /canary/);
  const { error } = lines[0] as unknown as {
    error: { type: string; code: string; stack?: string; cause: { code: string } };
  };
  assert.deepEqual([error.type, error.code, error.stack, error.cause.code], [
    "MeshError",
    "unavailable",
    undefined,
    "ECONNREFUSED",
  ]);
});

test("log: a logger that is not pino gets text and error as before, and nothing else", () => {
  const calls: unknown[][] = [];
  const keep = (...data: unknown[]): void => void calls.push(data);
  const logger = new LimitedLogger({ ...silentLogger, info: keep, warn: keep });
  const error = new Error("boom");
  logger.info("meshsocket: ready", about("ready"));
  logger.warn("meshsocket: degraded", error, about("degraded"));
  assert.deepEqual(calls, [["meshsocket: ready"], ["meshsocket: degraded", error]]);
});

test("log: lines that are left out are counted in a field", () => {
  const { logger, lines } = kept();
  const due: (() => void)[] = [];
  const limited = new LimitedLogger(logger, (callback) => void due.push(callback));
  for (let index = 0; index < 15; index++) limited.warn(`meshsocket: no answer from 10.0.0.${index}:80`);
  for (const end of due) end();
  assert.deepEqual([lines.length, lines.at(-1)?.["event"], lines.at(-1)?.["lines"]], [11, "lines_left_out", 5]);
});

test("log: each event is written somewhere, and the page of observability has a line for each", () => {
  const source = readFiles("{src,adapters}/**/*.ts").map(({ text }) => text).join("\n");
  const written = new Set([...source.matchAll(/\babout\("(\w+)"/g)].map(([, event]) => event as LogEvent));
  const documented = [...readSource("docs/observability.md").text.matchAll(/^\| `(\w+)` +\| (?:error|warn|info) /gm)];
  assert.deepEqual(new Set(documented.map(([, event]) => event as LogEvent)), written);
});
