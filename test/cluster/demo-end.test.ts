import assert from "node:assert/strict";
import { after, test } from "node:test";
import process from "node:process";
import { TestClient } from "../kit/client.ts";
import { type Demo, startDemo } from "../kit/demo.ts";
import { killPrograms } from "../kit/program.ts";
import { until } from "../kit/until.ts";

after(killPrograms);

async function talk(demo: Demo): Promise<void> {
  const [ann, ben] = await Promise.all([
    TestClient.open(`${webSocketOf(demo, "Bun")}?name=ann`),
    TestClient.open(`${webSocketOf(demo, "Deno")}?name=ben`),
  ]);
  await nextOf(ann, "welcome");
  await nextOf(ben, "welcome");
  ann.send(JSON.stringify({ type: "to", id: "ben", text: "hi" }));
  assert.deepEqual(await nextOf(ben, "said"), { type: "said", from: "ann", text: "hi", direct: true });
  assert.deepEqual(await nextOf(ann, "sent"), { type: "sent", to: "ben", text: "hi", accepted: true });
}

function webSocketOf(demo: Demo, runtime: string): string {
  return `${demo.nodeUrls[runtime]?.replace("http", "ws")}/ws`;
}

async function nextOf(client: TestClient, type: string): Promise<unknown> {
  for (;;) {
    const message = JSON.parse(String(await client.next())) as { type: string };
    if (message.type === type) return message;
  }
}

async function untilGone(demo: Demo): Promise<void> {
  await until("every process of the demo to end", () => demo.pids().length === 0);
}

for (const redis of [true, false]) {
  const how = redis ? "with a redis-server" : "without a redis-server";

  test(`demo ${how}: Ctrl-C ends every process while clients are connected`, async () => {
    const demo = await startDemo({ redis });
    assert.equal(/^storage +redis-server/m.test(demo.program.output), redis, demo.program.output);
    await talk(demo);
    assert.ok(demo.pids().length >= 4);
    demo.program.kill("SIGINT");
    assert.equal(await demo.program.ended, 0);
    await untilGone(demo);
  });

  test(`demo ${how}: a signal to the demo alone ends every process`, async () => {
    const demo = await startDemo({ redis });
    process.kill(demo.program.pid, "SIGTERM");
    assert.equal(await demo.program.ended, 0);
    await untilGone(demo);
  });

  test(`demo ${how}: every process ends when the demo is killed`, async () => {
    const demo = await startDemo({ redis });
    await talk(demo);
    process.kill(demo.program.pid, "SIGKILL");
    assert.equal(await demo.program.ended, "SIGKILL");
    await untilGone(demo);
  });
}

test("demo: the page gets another port when 8080 is taken, and says so", async () => {
  // PORT is unset here: whether 8080 is free or not, the demo must come up.
  const demo = await startDemo({ redis: false, port: "" });
  const { output } = demo.program;
  const { port } = new URL(demo.url);
  assert.equal(port !== "8080", output.includes("port 8080 is taken"), output);
  const second = await startDemo({ redis: false, port: "" });
  assert.match(second.program.output, /^port 8080 is taken/m);
  await Promise.all([demo.stop(), second.stop()]);
});

test("demo: a PORT that is none, or taken, is told in one line", async () => {
  await assert.rejects(startDemo({ redis: false, port: "abc" }), /PORT must be a whole number from 0 to 65535/);
  const demo = await startDemo({ redis: false });
  const { port } = new URL(demo.url);
  await assert.rejects(startDemo({ redis: false, port }), /the demo cannot start: .*in use/);
  await demo.stop();
});
