/** The settings of nginx and haproxy that docs/production.md shows, in front of two nodes. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Agent, request as httpsRequest } from "node:https";
import { after, test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import type { Readiness } from "../../src/hub/readiness.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { type FrontName, type ProductionFront, startProductionFront } from "../kit/production-fronts.ts";
import { freePort } from "../kit/free-port.ts";
import { killPrograms } from "../kit/program.ts";
import { RawClient } from "../kit/raw.ts";
import { loadServe } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

const serve = await loadServe();
const FRONTS: readonly FrontName[] = ["nginx", "haproxy"];
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

after(killPrograms);

interface Node {
  readonly hub: Hub<string>;
  readonly server: Server;
}

async function startNode(name: string, options: HubOptions = {}, port = 0): Promise<Node> {
  const hub = new Hub<string>({ trustProxy: 1, logger: silentLogger, ...options });
  const server = await serve(hub, {
    port,
    hostname: "127.0.0.1",
    path: "/ws",
    health: true,
    session: (request) => ({
      data: request.url,
      onConnect: (client) => void client.emit(name),
      onEvent: (client, message) => void client.emit(message),
    }),
    fetch: async (request) => new Response(`${name} ${await request.text()}`),
  });
  return { hub, server };
}

type Run = (front: ProductionFront, nodes: readonly [Node, Node]) => Promise<void>;

/** Two nodes behind a proxy of the page. */
async function behind(
  name: FrontName,
  { hub = {}, idleSeconds }: { hub?: HubOptions; idleSeconds?: number },
  run: Run,
): Promise<void> {
  const nodes = [await startNode("one", hub), await startNode("two", hub)] as const;
  const ports = [nodes[0].server.port, nodes[1].server.port] as const;
  const front = await startProductionFront(name, { nodes: ports, ...(idleSeconds !== undefined && { idleSeconds }) });
  try {
    await run(front, nodes);
  } finally {
    await Promise.all(nodes.map((node) => node.hub.close()));
    await front.close();
  }
}

/** A client through the proxy, once its node has said its name. */
async function enter({ port, ca }: ProductionFront): Promise<{ client: RawClient; node: string }> {
  const client = await RawClient.connect(port, ca);
  client.handshake("/ws", { host: `localhost:${port}` });
  assert.equal((await client.head()).status, 101);
  return { client, node: String((await client.next())?.payload) };
}

/** A request through the proxy. */
async function ask(
  { port, ca }: ProductionFront,
  path: string,
  { body, agent }: { body?: string; agent?: Agent } = {},
): Promise<{ status: number; text: string }> {
  const method = body === undefined ? "GET" : "POST";
  return await new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", servername: "localhost", port, ca, path, method, ...(agent && { agent }) };
    const asking = httpsRequest(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", reject).on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asking.on("error", reject);
    asking.end(body);
  });
}

for (const name of FRONTS) {
  test(`${name}: upgrades and requests go through with TLS, and what a client forges in its headers is gone`, async () => {
    await behind(name, {}, async (front, nodes) => {
      const host = `localhost:${front.port}`;
      const forged = {
        host,
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "evil.example",
        forwarded: "for=6.6.6.6;host=evil.example;proto=http",
      };
      const client = await RawClient.connect(front.port, front.ca);
      client.handshake("/ws?a=1", { ...forged, origin: `https://${host}` });
      assert.equal((await client.head()).status, 101);
      assert.match(String((await client.next())?.payload), /^(?:one|two)$/);
      const seen = nodes.flatMap(({ hub }) => [...hub].map(({ data, remoteAddress }) => [data, remoteAddress]));
      assert.deepEqual(seen, [[`https://${host}/ws?a=1`, "127.0.0.1"]]);
      for (const bytes of [2, 60_000]) {
        client.frame(TEXT, Buffer.alloc(bytes, "x"));
        assert.equal((await client.next())?.payload.length, bytes);
      }
      client.socket.destroy();
      // A page of another site, and one of the same host on another port.
      for (const origin of ["https://evil.example", "https://localhost", `https://localhost:${front.port + 1}`]) {
        const page = await RawClient.connect(front.port, front.ca);
        page.handshake("/ws", { ...forged, origin });
        assert.equal((await page.head()).status, 403, origin);
        page.socket.destroy();
      }
      assert.equal((await ask(front, "/hello", { body: "hi" })).text.replace(/one|two/, "node"), "node hi");
      for (const path of ["/livez", "/readyz", "/metrics"]) assert.equal((await ask(front, path)).status, 404, path);
    });
  });

  // The times are a fortieth of those of the page; the rule is the same: pings come more often than the proxy waits.
  test(`${name}: a client that is idle stays, because it is pinged more often than the proxy waits`, async () => {
    await behind(name, { hub: { limits: { pingMs: 600, pongMs: 800 } }, idleSeconds: 2 }, async (front, nodes) => {
      const { client } = await enter(front);
      let pings = 0;
      const answering = (async () => {
        for (let frame = await client.next(); frame; frame = await client.next()) {
          if (frame.opcode === TEXT) return String(frame.payload);
          if (frame.opcode !== PING) continue;
          pings++;
          client.frame(PONG, frame.payload);
        }
        return "cut";
      })();
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      for (const { hub } of nodes) await hub.broadcast("still here");
      assert.equal(await answering, "still here");
      assert.ok(pings >= 4, `${pings} pings`);
      client.socket.destroy();
    });
  });

  test(`${name}: without pings an idle client is cut when the proxy's time is over`, async () => {
    await behind(name, { hub: { limits: { pingMs: Infinity } }, idleSeconds: 2 }, async (front) => {
      const { client } = await enter(front);
      const started = performance.now();
      await client.ended();
      assert.ok(performance.now() - started > 1_500);
      client.socket.destroy();
    });
  });

  test(`${name}: a reload keeps 500 clients, and new ones come through`, { timeout: 120_000 }, async () => {
    await behind(name, {}, async (front, nodes) => {
      const clients: RawClient[] = [];
      while (clients.length < 500) {
        const batch = await Promise.all(Array.from({ length: 50 }, () => enter(front)));
        clients.push(...batch.map(({ client }) => client));
      }
      await front.reload();
      const { client: late } = await enter(front);
      for (const { hub } of nodes) await hub.broadcast("after the reload");
      for (const client of [...clients, late]) {
        assert.equal(String((await client.next())?.payload), "after the reload");
      }
      clients[0]?.frame(TEXT, Buffer.from("hi"));
      assert.equal(String((await clients[0]?.next())?.payload), "hi");
      assert.equal(nodes.reduce((sum, { hub }) => sum + hub.size, 0), 501);
      for (const client of [...clients, late]) client.socket.destroy();
    });
  });

  test(
    `${name}: a node is replaced while it is used, no request is lost, and its clients move`,
    { timeout: 120_000 },
    async () => {
      const port = await freePort();
      const [first, staying] = [await startNode("one", {}, port), await startNode("two")];
      const front = await startProductionFront(name, { nodes: [port, staying.server.port] });
      const requests = load(front);
      let second: Node | undefined;
      try {
        await until("requests on both", () => (requests.by.get("one") ?? 0) > 10 && (requests.by.get("two") ?? 0) > 10);
        const moving: RawClient[] = [];
        const others: RawClient[] = [];
        while (moving.length < 5) {
          const { client, node } = await enter(front);
          (node === "one" ? moving : others).push(client);
        }
        const states = watch(port);
        const closed = first.hub.close({ announceMs: 2_500, drainMs: 1_500 });
        for (const client of moving) {
          const frame = await client.next();
          assert.deepEqual([frame?.opcode, frame?.payload.readUInt16BE(0)], [CLOSE, 1012]);
          client.frame(CLOSE, frame?.payload.subarray(0, 2));
          const again = await enter(front);
          assert.equal(again.node, "two");
          others.push(again.client);
        }
        await closed;
        assert.deepEqual((await states).filter((state) => state !== "closed"), [
          "ready",
          "announced",
          "draining",
          "gone",
        ]);
        const before = requests.by.get("one") ?? 0;
        second = await startNode("one", {}, port);
        await until("requests on the new node", () => (requests.by.get("one") ?? 0) > before + 10);
        await until("a client on the new node", async () => {
          const { client, node } = await enter(front);
          others.push(client);
          return node === "one";
        });
        await requests.stop();
        assert.deepEqual(requests.lost, []);
        for (const client of [...moving, ...others]) client.socket.destroy();
      } finally {
        await requests.stop();
        for (const node of [first, staying, second]) await node?.hub.close();
        await front.close();
      }
    },
  );
}

/** The states that a probe of the node sees, each once, until nothing answers any more. */
async function watch(port: number): Promise<(Readiness["status"] | "gone")[]> {
  const seen: (Readiness["status"] | "gone")[] = ["ready"];
  while (seen.at(-1) !== "gone") {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { headers: { connection: "close" } }).catch(() =>
      undefined
    );
    const text = await response?.text().catch(() => undefined);
    const state = text === undefined ? "gone" : (JSON.parse(text) as Readiness).status;
    if (seen.at(-1) !== state) seen.push(state);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return seen;
}

/** Requests one after another until it is stopped, several at a time; counts the answers by node, and keeps what went wrong. */
function load(
  front: ProductionFront,
): { readonly by: Map<string, number>; readonly lost: string[]; stop(): Promise<void> } {
  const by = new Map<string, number>();
  const lost: string[] = [];
  const agent = new Agent({ keepAlive: true });
  let going = true;
  const line = async (index: number): Promise<void> => {
    for (let round = 0; going; round++) {
      const body = round % 2 === 0 ? undefined : `${index}/${round}`;
      const answer = await ask(front, "/hello", { agent, ...(body !== undefined && { body }) }).catch(
        (error: unknown) => {
          return { status: 0, text: String(error) };
        },
      );
      const [node = "", said] = answer.text.split(" ");
      if (answer.status !== 200 || said !== (body ?? "")) {
        lost.push(`${body ?? "GET"}: ${answer.status} ${answer.text}`);
      }
      by.set(node, (by.get(node) ?? 0) + 1);
    }
  };
  const lines = [0, 1, 2].map(line);
  return {
    by,
    lost,
    async stop() {
      going = false;
      await Promise.all(lines);
      agent.destroy();
    },
  };
}
