/** Nodes of an example as real processes, and pages in Chromium on them. */
import { after, before } from "node:test";
import type { Browser, Page } from "playwright-core";
import { startBrowser } from "./browser.ts";
import { killPrograms, type Program, startFile } from "./program.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import type { Runtime } from "./runtime.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** A node, and the address at which its pages reach it, or after its death another. */
export interface ExampleNode {
  readonly program: Program;
  readonly port: number;
  readonly front: TcpProxy;
}

/** Opens the page of a node. */
export type OpenPage = (node: ExampleNode) => Promise<Page>;

/** The scenes of one file of tests, which share a browser and a Redis. To be made at the top of the file. */
export class ExampleScenes {
  readonly #leaseMs: number;
  #browser: Browser | undefined;
  #redis: TestRedis | undefined;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
    before(async () => void ([this.#browser, this.#redis] = await Promise.all([startBrowser(), startRedis()])));
    after(async () => {
      await this.#browser?.close();
      await killPrograms();
      await this.#redis?.stop();
    });
  }

  /** A node of the cluster whose storage is the Redis. */
  startOfCluster(runtime: Runtime, file: string): Promise<ExampleNode> {
    return this.start(runtime, file, {
      MESHSOCKET_STORAGE_URL: this.#redis?.url ?? "",
      MESHSOCKET_STORAGE_TOKEN: this.#redis?.token ?? "",
      MESHSOCKET_SECRET: "a secret of these tests, over 32 bytes long",
      MESHSOCKET_LEASE_MS: String(this.#leaseMs),
    });
  }

  async start(runtime: Runtime, file: string, env: Record<string, string> = {}): Promise<ExampleNode> {
    const program = startFile(runtime, file, { env: { PORT: "0", ...env } });
    const [, port] = await program.match(/listening on http:\/\/[^:]+:(\d+)/);
    return { program, port: Number(port), front: await TcpProxy.open(Number(port)) };
  }

  /** Runs a test on nodes that are starting, with pages at `#42`. */
  async run<Nodes extends readonly Promise<ExampleNode>[]>(
    nodes: readonly [...Nodes],
    test: (open: OpenPage, ...nodes: { -readonly [index in keyof Nodes]: ExampleNode }) => Promise<void>,
  ): Promise<void> {
    const started = await Promise.all(nodes);
    const context = await this.#browser?.newContext();
    if (!context) throw new Error("scenes begin in a test");
    context.setDefaultTimeout(20_000);
    const open: OpenPage = async ({ front }) => {
      const page = await context.newPage();
      await page.goto(`http://${front.host}/#42`);
      return page;
    };
    try {
      await test(open, ...started as { -readonly [index in keyof Nodes]: ExampleNode });
    } finally {
      await context.close();
      await killPrograms();
      for (const { front } of started) await front.close();
      await this.#redis?.flush();
    }
  }
}
