import { connect, type MeshWebSocket } from "../../client/index.ts";
import type { ChaosCluster, Seat } from "./chaos-cluster.ts";
import type { Random } from "./random.ts";
import type { ResumeHistory } from "./resume-check.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** All of them listen on it. */
export const TOPIC = "everybody";

/** The close code of a client whose id a newer one has: it may be its own earlier attempt, which arrived late. */
const REPLACED = 4409;

/** Messages that a client sends at once: some wait for the application when a connection breaks. */
const BURST = 4;

/** Clients of the client package, each behind proxies of the nodes' public ports; all they see goes into the history. */
export class ResumeClients {
  readonly ids: readonly string[];
  readonly #cluster: ChaosCluster;
  readonly #history: ResumeHistory;
  readonly #random: Random;
  readonly #fronts = new Map<Seat, TcpProxy>();
  readonly #sockets = new Map<string, MeshWebSocket>();
  #stopped = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(cluster: ChaosCluster, history: ResumeHistory, random: Random, count: number) {
    this.#cluster = cluster;
    this.#history = history;
    this.#random = random;
    this.ids = Array.from({ length: count }, (_, index) => `client-${index}`);
  }

  /** Opens all; each sends a message now and then. */
  async start(everyMs: number): Promise<void> {
    for (const seat of this.#cluster.seats) this.#fronts.set(seat, await TcpProxy.open());
    for (const id of this.ids) this.#open(id);
    this.#timer = setInterval(() => {
      for (const id of this.ids) for (let count = 0; count < BURST; count++) this.#send(id);
    }, everyMs);
  }

  #open(id: string): void {
    const ws = connect(() => this.#address(id), { minDelayMs: 30, maxDelayMs: 500, pingMs: 2_000, pongMs: 3_000 });
    this.#sockets.set(id, ws);
    ws.addEventListener("open", () => this.#history.opened(id));
    ws.addEventListener("resumed", () => this.#history.resumed(id));
    ws.addEventListener("away", () => this.#history.note(id, "away"));
    ws.addEventListener("lost", ({ why }) => this.#history.lost(id, why));
    ws.addEventListener("refused", ({ code, reason }) => {
      this.#history.refused(id, code, reason);
      if (code === REPLACED && !this.#stopped) this.#open(id);
    });
    ws.addEventListener("message", ({ data }) => this.#history.got(id, String(data)));
  }

  #address(id: string): string {
    const seat = this.#random.pick(this.#cluster.seats);
    const front = this.#fronts.get(seat);
    const { port } = new URL(seat.node.url);
    front?.target(Number(port));
    this.#history.note(id, `to ${seat.node.runtime} ${seat.node.pid}`);
    return seat.node.clientUrl(id, [TOPIC]).replace(/127\.0\.0\.1:\d+|localhost:\d+/, front?.host ?? "");
  }

  #send(id: string): void {
    const message = this.#history.sends(id);
    if (message !== undefined) this.#sockets.get(id)?.send(message);
  }

  /** A front that a fault may strike. */
  front(): TcpProxy {
    return this.#random.pick([...this.#fronts.values()]);
  }

  /** Every front carries everything again. */
  heal(): void {
    for (const front of this.#fronts.values()) front.resume();
  }

  /** Whether every client is connected and has a life that stands. */
  get complete(): boolean {
    return [...this.#sockets.values()].every((ws) => ws.readyState === 1 && !ws.away);
  }

  /** The clients that are not. */
  get incomplete(): string[] {
    return [...this.#sockets].flatMap(([id, ws]) =>
      ws.readyState === 1 && !ws.away ? [] : [`${id} ${ws.readyState}${ws.away ? " away" : ""} at ${ws.url}`]
    );
  }

  /** Sends no more; resolves once the server has handled everything. */
  async confirmed(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#sockets].map(async ([id, ws]) => {
      const message = this.#history.sends(id);
      if (message !== undefined) await ws.confirm(message, { timeoutMs: 30_000 });
    }));
  }

  /** All leave for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const ws of this.#sockets.values()) ws.close();
    for (const front of this.#fronts.values()) await front.close();
  }
}
