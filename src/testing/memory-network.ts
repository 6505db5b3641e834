import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { MeshError } from "../base/error.ts";
import type { DistServer } from "../distributed/dist-server.ts";
import type { DialStream } from "../link/byte-stream.ts";
import type { NodeTransport } from "../link/node-transport.ts";
import { MemoryStream } from "./memory-stream.ts";

/** The network between the nodes of a MemoryCluster: who can be called, and what happens to bytes and answers. */
export class MemoryNetwork {
  /** RPCs by `host method`, as they were made; `host Line` for a stream that was dialled. */
  readonly calls: string[] = [];
  /** Hosts that refuse every new call. */
  readonly down: Set<string> = new Set();
  /** Hosts that can begin no call. */
  readonly silenced: Set<string> = new Set();
  readonly #hosts = new Map<string, Host>();
  readonly #dials: boolean;

  /** `dials`: whether nodes take packed lines; otherwise batches travel in Connect calls. */
  constructor(dials: boolean) {
    this.#dials = dials;
  }

  add(name: string, server: DistServer): void {
    const host: Host = {
      server,
      calls: createRouterTransport(server.routes),
      streams: new Set(),
      breaker: new AbortController(),
      lossy: false,
      delayMs: 0,
      lost: undefined,
      paused: undefined,
    };
    this.#hosts.set(name, host);
  }

  cut(name: string): void {
    const host = this.#host(name);
    for (const stream of host.streams) stream.cut();
    breakCalls(host);
  }

  pause(name: string): () => void {
    return this.#stop(name, "paused");
  }

  lose(name: string): () => void {
    const find = this.#stop(name, "lost");
    const host = this.#host(name);
    return () => {
      for (const stream of host.streams) if (stream.lossy) stream.cut();
      if (host.lossy) breakCalls(host);
      find();
    };
  }

  delay(name: string, ms: number): void {
    this.#host(name).delayMs = ms;
  }

  /** How one host reaches another. */
  transport(from: string, to: string): NodeTransport {
    const host = this.#host(to);
    const reach = (method: string): Promise<void> => this.#reach(from, to, method);
    const calls: Transport = {
      unary: async (method, signal, timeoutMs, header, input, contextValues) => {
        await inTime(reach(method.name), timeoutMs, signal);
        const answer = await host.calls.unary(method, signal, timeoutMs, header, input, contextValues);
        await inTime(back(host), timeoutMs, signal);
        return answer;
      },
      stream: async (method, signal, timeoutMs, header, input, contextValues) => {
        const both = signal ? AbortSignal.any([signal, host.breaker.signal]) : host.breaker.signal;
        await inTime(reach(method.name), timeoutMs, signal);
        const sent = carried(host, input, () => wait(host.delayMs));
        const answer = await host.calls.stream(method, both, timeoutMs, header, sent, contextValues);
        return { ...answer, message: carried(host, answer.message, () => back(host, false)) };
      },
    };
    return this.#dials ? { ...calls, dial: this.#dial(from, to) } : calls;
  }

  #dial(from: string, to: string): DialStream {
    const host = this.#host(to);
    return async (near, token, signal) => {
      await inTime(this.#reach(from, to, "Line"), undefined, signal);
      const far = await host.server.openLine(token === undefined ? null : `Bearer ${token}`);
      const faults = {
        there: {
          hold: () => wait(host.delayMs),
          get lost() {
            return host.lost !== undefined;
          },
        },
        back: {
          hold: () => back(host, false),
          get lost() {
            return host.lost !== undefined;
          },
        },
      };
      const stream = new MemoryStream({ near, far }, faults, (ended) => host.streams.delete(ended));
      host.streams.add(stream);
      far.open(stream.far);
      return stream.near;
    };
  }

  /** Notes a call and carries it to the host; throws `unavailable` if it cannot be called. */
  async #reach(from: string, to: string, method: string): Promise<void> {
    this.calls.push(`${to} ${method}`);
    if (this.down.has(to) || this.silenced.has(from)) {
      throw new MeshError("unavailable", `could not reach ${to}: it is down`);
    }
    const { delayMs, lost } = this.#host(to);
    if (lost) await lost;
    if (delayMs > 0) await wait(delayMs);
  }

  #stop(name: string, fault: "paused" | "lost"): () => void {
    const host = this.#host(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    host[fault] = promise;
    return () => {
      host[fault] = undefined;
      resolve();
    };
  }

  #host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host) return host;
    throw new MeshError("unavailable", `could not reach ${name}: no node of the cluster has that host`);
  }
}

interface Host {
  readonly server: DistServer;
  readonly calls: Transport;
  readonly streams: Set<MemoryStream>;
  /** Aborted to cut the streams that are Connect calls. */
  breaker: AbortController;
  /** Whether one of these lost a message. */
  lossy: boolean;
  delayMs: number;
  /** Pending while bytes vanish, and while answers do not come. */
  lost: Promise<void> | undefined;
  paused: Promise<void> | undefined;
}

function breakCalls(host: Host): void {
  host.breaker.abort();
  host.breaker = new AbortController();
  host.lossy = false;
}

/** The way of an answer; undefined for at once. */
function back(host: Host, waitForLost = true): Promise<void> | undefined {
  const lost = waitForLost ? host.lost : undefined;
  if (!lost && !host.paused && host.delayMs === 0) return undefined;
  return Promise.all([lost, host.paused, wait(host.delayMs)]).then(() => {});
}

/** The messages of a stream that is a Connect call, as the faults let them through. */
async function* carried<Value>(
  host: Host,
  messages: AsyncIterable<Value>,
  hold: () => Promise<void> | undefined,
): AsyncIterable<Value> {
  for await (const message of messages) {
    await hold();
    if (host.lost) host.lossy = true;
    else yield message;
  }
}

function wait(ms: number): Promise<void> | undefined {
  return ms === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, ms));
}

/** The promise, or what Connect rejects with when the time is over or the caller gave up. */
function inTime(
  promise: Promise<void> | undefined,
  timeoutMs: number | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!promise) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new ConnectError("the caller gave up", Code.Canceled));
    const late = (): void => reject(new ConnectError("no answer in time", Code.DeadlineExceeded));
    const timer = timeoutMs === undefined || timeoutMs <= 0 ? undefined : setTimeout(late, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    void promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    });
  });
}
