import { create } from "@bufbuild/protobuf";
import { Pipe } from "../base/pipe.ts";
import { type TapRequest, type TapResponse, TapResponseSchema } from "../gen/meshsocket/v1/watch_pb.ts";
import type { Neighbours } from "../cluster/neighbours.ts";
import type { HubState } from "../hub/state.ts";
import { fromRpcError } from "../rpc/error.ts";
import type { Holder } from "../storage/storage.ts";
import { inBursts } from "./in-bursts.ts";
import type { NodeWatch } from "./node-watch.ts";
import { perSecondOf } from "./tap.ts";

/** One tap on every node of the cluster, those that join later included. It ends with its signal. */
export class ClusterTap<Data> {
  readonly #own: NodeWatch<Data>;
  readonly #neighbours: Neighbours<Data>;
  readonly #state: HubState;
  readonly #request: TapRequest;
  readonly #signal: AbortSignal;
  readonly #messages: Pipe<TapResponse> = new Pipe();
  readonly #here: AsyncIterable<TapResponse>;
  #missed = 0n;

  /** Throws `resource_exhausted` if this node itself takes no more taps. */
  constructor(own: NodeWatch<Data>, node: TappingNode<Data>, request: TapRequest, signal: AbortSignal) {
    this.#own = own;
    this.#neighbours = node.cluster.neighbours;
    this.#state = node.state;
    this.#request = request;
    this.#signal = signal;
    this.#here = own.tap(request, signal);
  }

  /** The messages that are seen on all nodes. `masked`: the first one says that contents are left out. */
  async *run(masked: boolean): AsyncIterable<TapResponse> {
    const signal = this.#signal;
    const end = (): void => this.#messages.end();
    const stopJoins = this.#state.events.on("nodejoin", ({ node }) => void this.#follow(node));
    signal.addEventListener("abort", end);
    try {
      if (signal.aborted) return;
      void this.#forward(this.#here).then(end, end);
      for (const node of this.#neighbours.nodes()) void this.#follow(node);
      if (masked) yield notice("masked", this.#own.host, MASKED);
      yield* inBursts(this.#messages, perSecondOf(this.#request) * (1 + this.#neighbours.nodes().length));
    } finally {
      stopJoins();
      signal.removeEventListener("abort", end);
    }
  }

  /** Taps another node until its line ends, and says so. Never rejects. */
  async #follow(node: Holder): Promise<void> {
    try {
      const call = this.#neighbours.links.client(node).tap(this.#request, { signal: this.#signal });
      await this.#forward(call);
      this.#unheard(node, "its tap ended");
    } catch (error) {
      this.#unheard(node, fromRpcError(error, { host: node.host, signal: this.#signal }).message);
    }
  }

  async #forward(messages: AsyncIterable<TapResponse>): Promise<void> {
    for await (const message of messages) {
      if (this.#messages.length >= MAX_WAITING) {
        this.#missed += message.missed + 1n;
        continue;
      }
      message.missed += this.#missed;
      this.#missed = 0n;
      this.#messages.push(message);
    }
  }

  #unheard({ host }: Holder, text: string): void {
    if (this.#signal.aborted) return;
    this.#messages.push(notice("unheard", host, text));
  }
}

function notice(kind: string, host: string, text: string): TapResponse {
  return create(TapResponseSchema, { kind, host, text, atMs: BigInt(Date.now()) });
}

const MASKED = 'the contents are masked: this API key does not have the right "payloads"';

/** Messages of all nodes that wait for a caller who does not fetch them. */
const MAX_WAITING = 1_024;

/** Dependencies of {@link ClusterTap}. */
interface TappingNode<Data> {
  readonly cluster: { readonly neighbours: Neighbours<Data> };
  readonly state: HubState;
}
