import { type ChildProcessByStdio, spawn } from "node:child_process";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { MeshError, type MeshErrorCode } from "../../src/base/error.ts";
import type { Json } from "../../src/base/json.ts";
import type { RpcOptions } from "../../src/hub/serve-options.ts";
import { runtimes } from "../../tools/runtimes.ts";
import { TestClient } from "./client.ts";
import {
  type ClientVerb,
  fromLine,
  linesOf,
  type NodeEvent,
  type NodeSetup,
  type NodeStatus,
  type Order,
  type Outcome,
  type Report,
  toLine,
  type VerbCall,
} from "./node-control.ts";
import { RemoteHub } from "./remote-hub.ts";
import type { Runtime } from "./runtime.ts";
import { within } from "./wait.ts";

/** The runtimes that a node can run on, in the order in which tests name them. */
export const NODE_RUNTIMES: readonly Runtime[] = ["node", "bun", "deno"];

/** What node to start. */
export interface NodeOptions extends Partial<NodeSetup["hub"]> {
  readonly runtime: Runtime;
  readonly storage: NodeSetup["storage"];
  readonly defect?: NodeSetup["defect"];
  /** Default: a free port of 127.0.0.1. */
  readonly rpc?: RpcOptions;
  readonly publicRpc?: boolean;
  /** How far its wall clock is ahead of the true one from the start. */
  readonly clockAheadMs?: number;
  /** How many files, sockets among them, it may have open. Default: as many as this process. */
  readonly maxFiles?: number;
  /** Beside the environment of the tests. */
  readonly env?: Readonly<Record<string, string>>;
}

type Child = ChildProcessByStdio<Writable, Readable, null>;
type Ready = Extract<Report, { say: "ready" }>;
/** The content of an {@link Order} besides its number. */
type Wish = Order extends infer One ? One extends Order ? Omit<One, "number"> : never : never;

const SCRIPT = fileURLToPath(new URL("node-child.ts", import.meta.url));
const START_MS = 20_000;
const CALL_MS = 60_000;

/** One node of a cluster in a process of its own, on any of the runtimes. */
export class NodeProcess {
  readonly runtime: Runtime;
  /** Its verbs, as if its hub were here. */
  readonly hub: RemoteHub;
  /** What happened in it so far, in order. */
  readonly events: NodeEvent[] = [];
  /** Errors that nobody caught. */
  readonly problems: string[] = [];
  /** What its hub wrote to the log of errors. */
  readonly logged: string[] = [];
  /** Settles when the process is gone. */
  readonly gone: Promise<void>;
  readonly #child: Child;
  readonly #ready = Promise.withResolvers<Ready>();
  readonly #orders = new Map<number, PromiseWithResolvers<unknown>>();
  #lastNumber = 0;
  #ended: Error | undefined;
  #told: Ready | undefined;
  #wake = Promise.withResolvers<void>();

  private constructor(runtime: Runtime, child: Child) {
    this.runtime = runtime;
    this.#child = child;
    this.hub = new RemoteHub((call) => this.#one(call));
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    this.gone = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        process.off("exit", kill);
        this.#fail(new Error(`the ${runtime} node ended with ${signal ?? code}: ${this.problems.join("; ")}`));
        resolve();
      });
    });
    this.#ready.promise.catch(() => {});
    child.stdin.on("error", () => {});
    void this.#read();
  }

  /** Starts a node; it has joined its cluster when this resolves. Rejects with the error of `serve`. */
  static async start(
    { runtime, storage, defect, rpc, publicRpc, clockAheadMs, maxFiles, env, ...hub }: NodeOptions,
  ): Promise<NodeProcess> {
    const program = runtimes.find(({ name }) => name === runtime)?.program ?? runtime;
    const args = [program, ...(runtime === "deno" ? ["run", "--allow-all", "--no-check", SCRIPT] : [SCRIPT])];
    const shell = `${maxFiles === undefined ? "" : `ulimit -n ${maxFiles} && `}exec "$0" "$@"`;
    const child = spawn("sh", ["-c", shell, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    const node = new NodeProcess(runtime, child);
    node.#write({
      storage,
      defect,
      hub,
      rpc: { hostname: "127.0.0.1", ...rpc },
      publicRpc: publicRpc ?? false,
      clockAheadMs,
    });
    try {
      node.#told = await within(`the start of a ${runtime} node`, node.#ready.promise, START_MS);
    } catch (error) {
      await node.kill();
      throw error;
    }
    return node;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Its address as it stands in the storage. */
  get host(): string {
    return this.#info.host;
  }

  /** The port that its RPC is answered on. */
  get rpcPort(): number {
    return this.#info.port;
  }

  /** `http://…` of its public port. */
  get url(): string {
    return this.#info.url;
  }

  /** The URL of an upgrade that asks for an id and for topics. */
  clientUrl(id?: string, topics: readonly string[] = [], info?: Json): string {
    const query = new URLSearchParams();
    if (id !== undefined) query.set("id", JSON.stringify(id));
    if (topics.length > 0) query.set("topics", JSON.stringify(topics));
    if (info !== undefined) query.set("info", JSON.stringify(info));
    return `${this.url.replace("http", "ws")}/ws?${query}`;
  }

  /** A client whose `onConnect` has settled. */
  async connect(
    id?: string,
    topics?: readonly string[],
    { info, protocols }: { info?: Json; protocols?: string[] } = {},
  ): Promise<TestClient> {
    const client = await TestClient.open(this.clientUrl(id, topics, info), protocols);
    const welcome = await client.next();
    if (!String(welcome).startsWith("welcome ")) throw new Error(`expected a welcome, not ${String(welcome)}`);
    return client;
  }

  /** Starts calls in order, none of them awaited, `perTurn` in each turn of the node's event loop. */
  async callAll(calls: readonly VerbCall[], perTurn: number = Number.MAX_SAFE_INTEGER): Promise<Outcome[]> {
    return (await this.#order({ do: "call", calls, perTurn })) as Outcome[];
  }

  /** Calls a verb of a client of this node. */
  async client(id: string, verb: ClientVerb, ...args: string[]): Promise<unknown> {
    return valueOf((await this.#order({ do: "client", id, verb, args })) as Outcome);
  }

  /** Watches a topic; each join and leave is an event. Resolves when the present members are known. */
  async watch(topic: string): Promise<void> {
    await this.#order({ do: "watch", topic });
  }

  async status(): Promise<NodeStatus> {
    return (await this.#order({ do: "status" })) as NodeStatus;
  }

  /** Resolves with the first event, past or coming, that the condition holds for. */
  async event(what: string, holds: (event: NodeEvent) => boolean): Promise<NodeEvent> {
    const find = async (): Promise<NodeEvent> => {
      for (;;) {
        const found = this.events.find(holds);
        if (found) return found;
        await this.#wake.promise;
      }
    };
    return await within(what, find());
  }

  /** Claims again what the storage lost without a sign; says how many. */
  async audit(): Promise<number> {
    return (await this.#order({ do: "audit" })) as number;
  }

  /** Bytes of JavaScript objects in use, after a collection of garbage. */
  async heapBytes(): Promise<number> {
    return (await this.#order({ do: "heap" })) as number;
  }

  /** Sets its wall clock so far ahead of the true one. */
  async setClock(aheadMs: number): Promise<void> {
    await this.#order({ do: "clock", aheadMs });
  }

  /** Blocks its event loop; resolves when that is over. */
  async stall(ms: number): Promise<void> {
    await this.#order({ do: "stall", ms });
  }

  /** Closes the hub and ends the process; rejects if anything went uncaught. */
  async close(drainMs: number = 0): Promise<void> {
    await this.#order({ do: "close", drainMs });
    await this.#end();
  }

  /** Sends it a signal, such as SIGSTOP. */
  signal(name: NodeJS.Signals): void {
    // Not the child's own kill(): Deno takes any signal that it sends for the end of the child.
    process.kill(this.pid, name);
  }

  /** Kills it, paused or not. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.gone;
  }

  async #end(): Promise<void> {
    this.#child.stdin.end();
    await within(`the end of the ${this.runtime} node`, this.gone);
    if (this.problems.length > 0) throw new Error(`the ${this.runtime} node had problems: ${this.problems.join("; ")}`);
  }

  get #info(): Ready {
    if (!this.#told) throw new Error("the node has not started");
    return this.#told;
  }

  async #one(call: VerbCall): Promise<unknown> {
    const [outcome] = await this.callAll([call]);
    return valueOf(outcome);
  }

  async #order(wish: Wish): Promise<unknown> {
    if (this.#ended) throw this.#ended;
    const number = ++this.#lastNumber;
    const waiting = Promise.withResolvers<unknown>();
    this.#orders.set(number, waiting);
    this.#write({ ...wish, number });
    return await within(`the answer of the ${this.runtime} node to "${wish.do}"`, waiting.promise, CALL_MS);
  }

  #write(value: Order | NodeSetup): void {
    this.#child.stdin.write(toLine(value));
  }

  async #read(): Promise<void> {
    for await (const line of linesOf(this.#child.stdout)) this.#heard(fromLine(line) as Report);
  }

  #heard(report: Report): void {
    switch (report.say) {
      case "ready":
        this.#ready.resolve(report);
        break;
      case "failed":
        this.#ready.reject(new MeshError(report.code as MeshErrorCode, report.message));
        break;
      case "done":
        this.#orders.get(report.number)?.resolve(report.result);
        this.#orders.delete(report.number);
        break;
      case "event":
        this.events.push(report.event);
        this.#wake.resolve();
        this.#wake = Promise.withResolvers();
        break;
      case "problem":
        this.problems.push(report.text);
        break;
      case "logged":
        this.logged.push(report.text);
        break;
    }
  }

  #fail(error: Error): void {
    this.#ended = error;
    this.#ready.reject(error);
    for (const { reject } of this.#orders.values()) reject(error);
    this.#orders.clear();
  }
}

/** What a call resolved with; throws what it rejected with. */
function valueOf(outcome: Outcome | undefined): unknown {
  if (outcome && "value" in outcome) return outcome.value;
  throw new MeshError((outcome?.code ?? "internal") as MeshErrorCode, outcome?.message ?? "no outcome");
}
