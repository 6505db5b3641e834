import type { Client } from "../../src/client/client.ts";
import { connect } from "../../client/index.ts";
import type { DistHub } from "../../src/distributed/dist-hub.ts";
import type { DistHubOptions } from "../../src/distributed/dist-hub-options.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import { flakyWebSocket } from "./flaky-web-socket.ts";
import type { MemoryCluster, MemoryNode } from "./memory-cluster.ts";
import { Random } from "./random.ts";
import { within } from "./wait.ts";

/** The topics that the moving client listens on; others are first published to while it moves. */
const TOPICS = ["news", "games", "late"];
/** One with history: its messages keep their order among themselves. */
const KEPT = "kept";

/** The options of the nodes; they share the history. */
export function movingNodeOptions(): Partial<DistHubOptions> {
  return { topics: [{ match: KEPT, history: { messages: 1_000 } }], history: new MemoryHistory() };
}

/** What three nodes sent to a client, and what it got of each, as `sender number`. */
export interface Arrived {
  readonly got: string[];
  readonly sent: string[];
  readonly lost: string[];
  readonly moves: number;
}

/**
 * Three nodes send to one client in all ways at once while its connections break and it comes back on a random node, over
 * a network whose delays change.
 */
export async function sendWhileMoving(
  cluster: MemoryCluster,
  nodes: readonly MemoryNode[],
  seed: number,
): Promise<Arrived> {
  const random = new Random(seed);
  const arrived = { got: [] as string[], sent: [] as string[], lost: [] as string[], moves: 0 };
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const any = (): MemoryNode => random.pick(nodes);
  let over = false;
  const next = (): { there: number; back: number } => {
    arrived.moves++;
    return over ? { there: Infinity, back: Infinity } : { there: Infinity, back: 2 + random.below(12) };
  };
  const session = () => ({
    id: "me",
    user: "alice",
    onConnect: (client: Client) => client.subscribe([...TOPICS, KEPT]),
  });
  const ws = connect("ws://memory/", {
    WebSocket: flakyWebSocket(() => any().hub, session, { next }),
    minDelayMs: 1,
    maxDelayMs: 2,
  });
  ws.addEventListener("message", ({ data }) => void arrived.got.push(String(data)));
  ws.addEventListener("lost", ({ why }) => void arrived.lost.push(why));
  await within("the first open", new Promise((resolve) => ws.addEventListener("open", resolve)));
  await ws.confirm("start");
  const send = async ({ hub }: { hub: DistHub }, name: string): Promise<void> => {
    for (let number = 1; number <= 60; number++) {
      const kind = random.below(9);
      const message = `${kind === 8 ? KEPT : ""}${name} ${number}`;
      arrived.sent.push(message);
      if (kind === 8) await hub.publish(KEPT, message);
      else if (kind < 4) await hub.publish(TOPICS[random.below(number < 30 ? 2 : 3)] as string, message);
      else if (kind < 5) await hub.broadcast(message);
      else if (kind < 6) await hub.user("alice").emit(message);
      else await hub.emit("me", message);
      if (random.below(3) === 0) await wait(random.below(3));
    }
  };
  const shake = async (): Promise<void> => {
    for (; !over; await wait(3)) cluster.delay(any().host, random.below(4));
  };
  const shaking = shake();
  await Promise.all(nodes.map((node, index) => send(node, "abc"[index] as string)));
  over = true;
  await shaking;
  for (const { host } of nodes) cluster.delay(host, 0);
  for (let waited = 0; arrived.got.length < arrived.sent.length && waited < 3_000; waited += 5) await wait(5);
  await wait(10);
  ws.close();
  return arrived;
}
