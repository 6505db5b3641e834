/** Requests between every pair of runtimes, to clients that run what docs/requests.md says, and through a gRPC client. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { V1_PROTOCOL } from "../../src/wire/v1.ts";
import { createToken } from "../../src/rpc/token.ts";
import { grpc, type GrpcCall, GrpcCode } from "../kit/grpc.ts";
import { NODE_RUNTIMES, type NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster, SECRET } from "../kit/process-cluster.ts";
import { killPrograms, startFile } from "../kit/program.ts";
import { Events, within } from "../kit/wait.ts";

type Answer = (asked: string | ArrayBuffer) => unknown;

const page = readFileSync(new URL("../../docs/requests.md", import.meta.url), "utf8");
const [, snippet = ""] = /```js\n([^]*?)```/.exec(page) ?? [];

let cluster: ProcessCluster;

before(async () => {
  cluster = await ProcessCluster.start();
});

after(async () => {
  await killPrograms();
  await cluster.close();
});

/** A browser that runs the snippet of the page. */
class Browser {
  readonly ws: WebSocket;
  readonly messages: Events<unknown> = new Events("an ordinary message");

  private constructor(url: string, answer: Answer) {
    // oxlint-disable-next-line typescript/no-implied-eval -- the code of the page is what is tested
    const run = new Function("url", "answer", "onMessage", `${snippet}; return ws;`) as (
      url: string,
      answer: Answer,
      onMessage: (data: unknown) => void,
    ) => WebSocket;
    this.ws = run(url, answer, (data) => this.messages.add(data));
  }

  static async open(url: string, answer: Answer): Promise<Browser> {
    const browser = new Browser(url, answer);
    assert.match(String(await browser.messages.next()), /^welcome /);
    return browser;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.ws.addEventListener("close", resolve));
    this.ws.close();
    await within("the close event", closed);
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function nextTo(node: NodeProcess): NodeProcess {
  return cluster.on(NODE_RUNTIMES[(NODE_RUNTIMES.indexOf(node.runtime) + 1) % 3] ?? node.runtime);
}

for (const from of NODE_RUNTIMES) {
  for (const to of NODE_RUNTIMES) {
    test(`${from} → ${to}: a browser is asked and replies, in text and in bytes, many at once and in any order`, async () => {
      const [asker, owner] = [cluster.on(from), cluster.on(to)];
      const id = `${from} asks ${to}`;
      const browser = await Browser.open(owner.clientUrl(id), async (asked) => {
        if (typeof asked !== "string") return new Uint8Array(asked).map((byte) => 255 - byte);
        // The later it was asked, the earlier it is answered.
        const number = Number(/^(\d+) of 20$/.exec(asked)?.[1] ?? 20);
        await new Promise((resolve) => setTimeout(resolve, 20 - number));
        return `<${asked}>`;
      });
      assert.equal(await asker.hub.request(id, "grüß dich 😀\nzwei"), "<grüß dich 😀\nzwei>");
      assert.deepEqual(await asker.hub.request(id, new Uint8Array([0, 10, 255])), new Uint8Array([255, 245, 0]));
      assert.equal(await asker.hub.request(id, ""), "<>");
      const many = Array.from({ length: 20 }, (_, index) => asker.hub.request(id, `${index} of 20`));
      assert.deepEqual(await Promise.all(many), many.map((_, index) => `<${index} of 20>`));
      assert.equal(await asker.hub.emit(id, "an ordinary message"), true);
      assert.equal(await browser.messages.next(), "an ordinary message");
      browser.ws.send("and one back");
      await owner.event("the message", (event) => event.type === "event" && event.id === id);
      const seen = owner.events.filter((event) => event.type === "event" && event.id === id);
      assert.equal(seen.length, 1, "no reply reaches the application");
      await browser.close();
    });
  }

  test(`${from}: what goes wrong with a request has its code, within its deadline`, async () => {
    const asker = cluster.on(from);
    const owner = nextTo(asker);
    const rejects = (id: string, code: string, timeoutMs = 2_000): Promise<void> =>
      assert.rejects(asker.hub.request(id, "?", { timeoutMs }), { code });
    await rejects("nobody", "not_found");
    const deaf = await owner.connect(`deaf ${from}`);
    await rejects(`deaf ${from}`, "failed_precondition");
    const asked = new Events<string>("a request");
    const silent = await Browser.open(owner.clientUrl(`silent ${from}`), (text) => {
      asked.add(typeof text === "string" ? text : "bytes");
      return new Promise(() => {});
    });
    const startedAt = performance.now();
    await rejects(`silent ${from}`, "deadline_exceeded", 100);
    assert.ok(performance.now() - startedAt < 1_000, "the answer came in time");
    await asked.next();
    const left = rejects(`silent ${from}`, "unknown");
    await asked.next();
    await silent.close();
    await left;
    await deaf.close();
  });

  test(`${from}: of an id that moved the newer connection is asked`, async () => {
    const asker = cluster.on(from);
    const id = `moving ${from}`;
    let newest: Browser | undefined;
    for (const node of [asker, nextTo(asker), nextTo(nextTo(asker)), asker]) {
      const browser = await Browser.open(node.clientUrl(id), () => node.runtime);
      assert.equal(await asker.hub.request(id, "where are you?"), node.runtime);
      assert.equal(await node.client(id, "request", "and you?"), node.runtime);
      newest = browser;
    }
    await newest?.close();
  });

  test(`${from}: a gRPC client asks clients of every node, counts, and sees the members' infos`, async () => {
    const node = cluster.on(from);
    const owner = nextTo(node);
    const [id, topic] = [`grpc ${from}`, `grpc topic ${from}`];
    const browser = await Browser.open(owner.clientUrl(id, [topic], { name: "Gee" }), (asked) => {
      return typeof asked === "string" ? asked.toUpperCase() : new Uint8Array(asked).toReversed();
    });
    const plain = await node.connect(`plain ${from}`, [topic]);
    const token = await createToken({ secret: SECRET, audience: "cluster" });
    const to = (name: string, request: object): GrpcCall => {
      return { method: `meshsocket.v1.Cluster/${name}`, request, token };
    };
    const results = await grpc({
      host: node.host,
      calls: [
        to("Request", { id, data: base64("hello") }),
        to("Request", { id, data: base64("abc"), binary: true }),
        to("Request", { id: "nobody", data: "" }),
        to("Request", { id: `plain ${from}`, data: "" }),
        to("Count", { topic }),
        to("Members", { topic }),
        to("Publish", { topic, data: base64("news"), except: [`plain ${from}`] }),
        to("Unsubscribe", { id, topic }),
        to("Count", { topic }),
      ],
    });
    const [members] = results.splice(5, 1);
    const { ids, infos } = (members ?? assert.fail()).response as { ids: string[]; infos: string[] };
    assert.deepEqual(
      new Map(ids.map((one, index) => [one, infos[index]])),
      new Map([[`plain ${from}`, ""], [id, '{"name":"Gee"}']]),
    );
    assert.deepEqual(results.map(({ code, response }) => (code === GrpcCode.Ok ? response : code)), [
      { data: base64("HELLO"), binary: false },
      { data: base64("cba"), binary: true },
      GrpcCode.NotFound,
      GrpcCode.FailedPrecondition,
      { count: "2", unreachable: [] },
      { delivery: { delivered: "1", held: "0", dropped: "0", unreachable: [] } },
      { found: true },
      { count: "1", unreachable: [] },
    ]);
    assert.equal(await browser.messages.next(), "news");
    await Promise.all([browser.close(), plain.close()]);
  });
}

test("examples/request.ts: a question over HTTP is answered by the client it names", async () => {
  const program = startFile("node", "examples/request.ts", { env: { PORT: "0" } });
  const [, url = ""] = await program.match(/listening on (http:\S+)/);
  assert.match(await (await fetch(url)).text(), /meshsocket\.v1/);
  assert.equal((await fetch(`${url}/ask/ann`)).status, 404);
  const ws = new WebSocket(`${url.replace("http", "ws")}/ws?name=ann`, V1_PROTOCOL);
  ws.addEventListener("message", ({ data }: MessageEvent<string>) => {
    const [, number, question] = /^~request (\d+)\n(.*)$/.exec(data) ?? [];
    if (number === undefined) return;
    ws.send(`~reply ${number}\nWhat do you mean by "${question}"?`);
  });
  await within("the connection", new Promise((resolve) => ws.addEventListener("open", resolve)));
  const reply = await fetch(`${url}/ask/ann?question=ready`);
  assert.equal(await reply.text(), 'What do you mean by "ready"?');
  ws.close();
  program.kill();
  await program.ended;
});
