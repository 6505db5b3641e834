import assert from "node:assert/strict";
import { test } from "node:test";
import { invalidArgument, MeshError } from "../../src/base/error.ts";
import { Hub } from "../../src/hub/hub.ts";
import { LimitedLogger } from "../../src/base/log/limited-logger.ts";
import { chosenLogger, type Logger } from "../../src/base/log/logger.ts";
import { oneLine } from "../../src/base/log/one-line.ts";
import { upgradeRequest } from "../kit/memory-client.ts";

/** Runs with a console that keeps what is written to it, by level. */
async function withConsole(run: (lines: Record<string, string[]>) => Promise<void> | void): Promise<void> {
  const lines: Record<string, string[]> = { debug: [], info: [], warn: [], error: [] };
  const { debug, info, warn, error } = console;
  for (const level of Object.keys(lines)) {
    Object.assign(console, { [level]: (...data: unknown[]) => void lines[level]?.push(data.map(String).join(" ")) });
  }
  try {
    await run(lines);
  } finally {
    Object.assign(console, { debug, info, warn, error });
  }
}

/** A logger that keeps the first words of each line. */
function kept(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const keep = (...data: unknown[]): void => void lines.push(String(data[0]));
  return { logger: { debug: keep, info: keep, warn: keep, error: keep }, lines };
}

test("by default a hub writes warnings and errors to the console, one line each, and no info", () =>
  withConsole(async (lines) => {
    await using hub = new Hub({ handlerError: "report" });
    const page = new Headers(upgradeRequest().headers);
    page.set("origin", "http://localhost:5173");
    page.set("host", "127.0.0.1:8080");
    await hub.admit(new Request("http://127.0.0.1:8080/", { headers: page }), () => ({}), { remoteAddress: "" });
    await hub.emit("alice", 5 as never).catch(() => {});
    hub.logger.info("meshsocket: an info line");
    assert.equal(lines["warn"]?.length, 2);
    assert.match(lines["warn"][0] ?? "", /page http:\/\/localhost:5173 may not connect to 127\.0\.0\.1:8080/);
    assert.match(lines["warn"][0] ?? "", /new Hub\(\{ origins: \["http:\/\/localhost:5173"\] \}\)/);
    assert.match(lines["warn"][1] ?? "", /a call failed: TypeError \[invalid_argument\]: /);
    for (const line of lines["warn"]) assert.doesNotMatch(line, /\n/);
    assert.deepEqual([lines["info"], lines["debug"], lines["error"]], [[], [], []]);
  }));

test("a hub that is given the console writes info as well, one line each", () =>
  withConsole(async (lines) => {
    const hub = new Hub({ logger: console });
    hub.logger.warn("meshsocket: a warning", new MeshError("unavailable", "no\nanswer", { cause: new Error("why") }));
    await hub.close();
    assert.deepEqual(lines["warn"], [
      "meshsocket: a warning: MeshError [unavailable]: no answer, because of Error: why",
    ]);
    assert.deepEqual(lines["info"], [
      "meshsocket: draining: clients are told to connect to another node",
      "meshsocket: closed",
    ]);
  }));

test("only an error of the application has a stack, a caller's mistake never", () =>
  withConsole((lines) => {
    const logger = chosenLogger(undefined);
    logger.error("meshsocket: a", new Error("boom"));
    logger.error("meshsocket: b", invalidArgument("the message must be a string"));
    logger.error("meshsocket: c", new MeshError("internal", "odd"));
    logger.warn("meshsocket: d", new Error("boom"));
    assert.match(lines["error"]?.[0] ?? "", /^meshsocket: a: Error: boom\n\s+at /);
    assert.deepEqual(lines["error"]?.slice(1), [
      "meshsocket: b: TypeError [invalid_argument]: the message must be a string",
      "meshsocket: c: MeshError [internal]: odd",
    ]);
    assert.deepEqual(lines["warn"], ["meshsocket: d: Error: boom"]);
  }));

test("a line holds no control character and is bounded", () => {
  assert.equal(oneLine(["a\r\nERROR forged\u001b[31m\u2028b"]), "a ERROR forged [31m b");
  assert.equal(oneLine(["x".repeat(5_000)]).length, 1_000);
});

test("of lines that differ in names and numbers only ten are written, others go on", () => {
  const { logger, lines } = kept();
  const limited = new LimitedLogger(logger);
  for (let index = 0; index < 100; index++) {
    limited.warn(`meshsocket: page http://host-${index}.example may not connect to "host ${index}"`);
  }
  limited.warn("meshsocket: something else");
  assert.equal(lines.length, 11);
  assert.equal(lines.at(-1), "meshsocket: something else");
  for (let index = 0; index < 1_000; index++) limited.error(`kind ${"x".repeat(index)}`);
  assert.ok(lines.length < 11 + 220 + 10, String(lines.length));
});

test("at the end of a minute a line says how many were left out", () => {
  const { logger, lines } = kept();
  const due: (() => void)[] = [];
  const limited = new LimitedLogger(logger, (callback) => void due.push(callback));
  for (let index = 0; index < 47; index++) limited.warn(`meshsocket: no answer from 10.0.0.${index}:80`);
  assert.equal(lines.length, 10);
  for (const end of due) end();
  assert.equal(
    lines[10],
    "meshsocket: left out 37 more lines of the last minute such as: meshsocket: no answer from 10.0.0.46:80",
  );
  limited.warn("meshsocket: no answer from 10.0.0.1:80");
  assert.equal(lines.length, 12);
});

test("a logger that throws ends nothing", () => {
  const broken = (): never => {
    throw new Error("disk full");
  };
  const limited = new LimitedLogger({ debug: broken, info: broken, warn: broken, error: broken });
  for (const level of ["debug", "info", "warn", "error"] as const) limited[level]("x");
});
