import { create } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { Counters } from "../base/counters/counters.ts";
import { MeshError } from "../base/error.ts";
import { type Answer, BatchSchema, type Item, Node, Outcome } from "../gen/meshsocket/node/v1/node_pb.ts";
import { checkHost } from "../base/host.ts";
import type { SizedItem } from "./items.ts";
import { type Limits, rpcBytes } from "../base/limits.ts";
import { type NodeClient, type OpenLine, streamLine, unaryLine } from "./line.ts";
import { Link } from "./link.ts";
import { type Caller, OTHER_LIFE } from "./send-window.ts";
import type { NodeTransport } from "./node-transport.ts";
import { packedLine } from "./packed-line.ts";
import { unref } from "../base/tick.ts";
import { randomId } from "../base/random-id.ts";
import { bearer } from "../rpc/bearer.ts";
import { fromRpcError } from "../rpc/error.ts";
import type { Holder } from "../storage/storage.ts";
import type { TokenMint } from "../rpc/token.ts";

const TICK_MS = 50;
/** How long the last answers of a node may take to be read after it has left. */
const LAST_ANSWERS_MS = 100;
const STREAM_BATCHES_IN_FLIGHT = 4;
/** Bytes of a batch besides its items. */
const BATCH_SLACK_BYTES = 4_096;

/** How {@link Links} reach the other nodes. */
export interface LinksDependencies {
  limits: Readonly<Limits>;
  counters?: Counters | undefined;
  /** Makes the transport to a host, once for as long as it is used. */
  transport: (host: string) => NodeTransport;
  /** Mints the tokens that the other nodes ask for; undefined in a cluster without a secret. */
  tokens: TokenMint | undefined;
  /** `"stream"` for a node; `"unary"` where only calls with an answer can be made. */
  lines: "stream" | "unary";
  /** The present life of the sender; left out by a sender that is not a node. */
  from?: () => Holder;
}

interface Peer {
  readonly link: Link;
  readonly client: NodeClient;
  readonly transport: NodeTransport;
}

/** A node's links to all the others, one for each life. */
export class Links {
  readonly #deps: LinksDependencies;
  readonly #peers = new Map<string, Peer>();
  /** A longer one could never be read, and would break the line for the others. */
  readonly #maxItemBytes: number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(deps: LinksDependencies) {
    this.#deps = deps;
    this.#maxItemBytes = rpcBytes(deps.limits).writeMaxBytes - BATCH_SLACK_BYTES;
  }

  /** Calls one life of one node, in order with every other call to it, but for what takes the other node time. */
  call(to: Holder, sized: SizedItem, deadlineMs: number): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.start(to, sized, deadlineMs, { resolve, reject });
    return promise;
  }

  /** {@link Links.call} for a caller that needs no promise. */
  start(to: Holder, sized: SizedItem, deadlineMs: number, caller: Caller): void {
    const { item, bytes } = sized;
    let peer: Peer;
    try {
      peer = this.#peer(to);
    } catch (error) {
      caller.reject(error);
      return;
    }
    if (bytes > this.#maxItemBytes) {
      caller.reject(new MeshError("resource_exhausted", "the message is too long with all the ids to leave out"));
    } else if (sized.beside) {
      callBeside(peer.client, to, item, deadlineMs).then(
        (answer) => caller.resolve(answer),
        (error: unknown) => caller.reject(error),
      );
    } else peer.link.call(item, bytes, deadlineMs, caller);
  }

  /** The RPC client of a life, for calls that do not travel on the line. */
  client(to: Holder): NodeClient {
    return this.#peer(to).client;
  }

  /** The links that were used, with their load. */
  loads(): { readonly host: string; readonly open: boolean; readonly calls: number }[] {
    return Array.from(this.#peers.values(), ({ link }) => ({ host: link.to.host, ...link.load }));
  }

  /** Gives up the link to a life that ended. Its last answers may still be on their way, behind the word that it leaves. */
  drop(life: string): void {
    const peer = this.#peers.get(life);
    if (!peer) return;
    this.#peers.delete(life);
    if (this.#closed || peer.link.load.calls === 0) end(peer);
    else unref(setTimeout(() => end(peer), LAST_ANSWERS_MS));
  }

  close(): void {
    this.#closed = true;
    for (const life of [...this.#peers.keys()]) this.drop(life);
    clearInterval(this.#timer);
  }

  #peer(to: Holder): Peer {
    let peer = this.#peers.get(to.life);
    if (peer) return peer;
    if (this.#closed) throw new MeshError("failed_precondition", "the hub is closed");
    peer = this.#makePeer(to);
    this.#peers.set(to.life, peer);
    return peer;
  }

  #makePeer(to: Holder): Peer {
    const { limits, tokens, lines, from } = this.#deps;
    checkHost(to.host);
    const transport = this.#deps.transport(to.host);
    const connect = transport as Transport;
    const client = createClient(Node, tokens ? bearer(connect, () => tokens.token(to.host)) : connect);
    const link = new Link({
      to,
      from,
      open: lines === "stream" ? this.#stream(to, transport, client) : unaryLine(client, to.host, limits.timeoutMs),
      // Between calls an unary line has nothing to hold, and a forgotten sender must not keep its process.
      keepOpen: lines === "stream",
      // Calls overtake each other: only one at a time keeps the order.
      maxInFlight: lines === "stream" ? STREAM_BATCHES_IN_FLIGHT : 1,
      counters: this.#deps.counters ?? new Counters(),
      maxBytes: limits.maxLinkBytes,
      maxCalls: limits.maxLinkCalls,
      silenceMs: limits.linkSilenceMs,
      pingMs: limits.linkPingMs,
      onActive: () => this.#watch(),
      onOtherLife: () => this.drop(to.life),
    });
    return { link, client, transport };
  }

  #stream({ host }: Holder, { dial }: NodeTransport, client: NodeClient): OpenLine {
    const { tokens, limits } = this.#deps;
    const otherwise = streamLine(client, host);
    if (!dial) return otherwise;
    const maxBytes = rpcBytes(limits).readMaxBytes;
    return packedLine({ host, dial, token: tokens && (() => tokens.token(host)), maxBytes, otherwise });
  }

  /** One timer for all links, and only while one of them has something to watch over. */
  #watch(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setInterval(() => {
      const now = performance.now();
      let active = false;
      for (const { link } of this.#peers.values()) active = link.onTime(now) || active;
      if (active) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    }, TICK_MS);
  }
}

function end({ link, transport }: Peer): void {
  link.close(new MeshError("unavailable", `${link.to.host} has left`));
  transport.close?.();
}

/** One item in a call of its own. */
async function callBeside(client: NodeClient, to: Holder, item: Item, deadlineMs: number): Promise<Answer> {
  const timeoutMs = Math.max(1, Math.ceil(deadlineMs - performance.now()));
  const batch = create(BatchSchema, { line: randomId(), toLife: to.life, number: 1n, items: [item] });
  const answer = await client.deliver(batch, { timeoutMs }).catch((error: unknown) => {
    throw fromRpcError(error, { host: to.host });
  });
  const [one] = answer.answers;
  if (one) return one;
  if (answer.outcome === Outcome.OTHER_LIFE) return OTHER_LIFE;
  if (answer.outcome === Outcome.UNKNOWN) {
    throw new MeshError("unavailable", `${to.host} takes this node for dead: it is to say hello again`);
  }
  throw new MeshError("internal", "an answer is missing");
}
