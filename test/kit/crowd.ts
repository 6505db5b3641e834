import type { Closed, TestClient } from "./client.ts";
import type { NodeProcess } from "./node-process.ts";
import { until } from "./until.ts";

/** A client of a {@link Crowd}: what it got, and how it ended. */
export class Member {
  readonly id: string;
  /** Messages in the order of their arrival, without the welcome. */
  readonly got: string[] = [];
  closed: Closed | undefined;
  readonly #client: TestClient;

  constructor(id: string, client: TestClient) {
    this.id = id;
    this.#client = client;
    client.ws.addEventListener("message", ({ data }: MessageEvent) => void this.got.push(String(data)));
    void client.untilClosed.then((closed) => (this.closed = closed));
  }

  leave(): void {
    this.#client.ws.close();
  }

  /** Resolves once it got the message. */
  async awaits(message: string): Promise<void> {
    await until(`${this.id} to get ${message}`, () => this.got.includes(message));
  }
}

const AT_ONCE = 100;

/** Many clients of one node, by id. */
export async function crowd(node: NodeProcess, prefix: string, count: number): Promise<Member[]> {
  const members: Member[] = [];
  for (let start = 0; start < count; start += AT_ONCE) {
    const ids = Array.from({ length: Math.min(AT_ONCE, count - start) }, (_, index) => `${prefix}-${start + index}`);
    members.push(...await Promise.all(ids.map((id) => member(node, id))));
  }
  return members;
}

/** One client of a node. */
export async function member(node: NodeProcess, id: string): Promise<Member> {
  return new Member(id, await node.connect(id));
}

/** How many of these messages clients got more than once. */
export function duplicates(members: readonly Member[]): number {
  return members.reduce((sum, { got }) => sum + got.length - new Set(got).size, 0);
}

/** Milliseconds that a call took, and what it came to. */
export async function timed<Value>(call: Promise<Value>): Promise<{ ms: number; value?: Value; error?: unknown }> {
  const startMs = performance.now();
  try {
    const value = await call;
    return { ms: performance.now() - startMs, value };
  } catch (error) {
    return { ms: performance.now() - startMs, error };
  }
}
