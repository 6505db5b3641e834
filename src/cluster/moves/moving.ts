import { Arrivals } from "./arrivals.ts";
import { Departures } from "./departures.ts";
import type { ClusterDependencies } from "../cluster-dependencies.ts";
import type { Clients } from "../../client/clients.ts";
import { Cutter } from "./cutter.ts";
import { Cuts } from "./cuts.ts";
import { MeshError } from "../../base/error.ts";
import { tryLater } from "./arriving.ts";
import type { Frame } from "../../send/frame.ts";
import { Status } from "../../gen/meshsocket/node/v1/node_pb.ts";
import { emitItem } from "../../link/items.ts";
import type { Links } from "../../link/links.ts";
import type { Move, Moves, MovingClients } from "./moves.ts";
import type { Neighbours } from "../neighbours.ts";
import type { Holder } from "../../storage/storage.ts";
import type { Except, SendOptions } from "../../send/verbs.ts";
import { unlessAborted } from "../../base/abort.ts";
import { withTimeout } from "../../send/deadline.ts";
import type { Topics } from "../topics/topics.ts";

/** Less than clients wait for the hello. */
const MAX_WAIT_MS = 8_000;

/**
 * Clients of `meshsocket.v1` on their way from node to node.
 *
 * {@link Moves} knows them, {@link Arrivals} takes them over, {@link Departures} has others do so, and the {@link Cutter} divides what this node sends between the
 * old node and the new one.
 */
export class Moving<Data> implements MovingClients {
  readonly moves: Moves;
  readonly cutter: Cutter;
  readonly arrivals: Arrivals<Data>;
  readonly departures: Departures;
  readonly #clients: Clients<Data>;
  readonly #neighbours: Neighbours<Data>;
  readonly #topics: Topics<Data>;
  readonly #links: Links;
  readonly #timeoutMs: number;

  constructor(node: ClusterDependencies<Data>, neighbours: Neighbours<Data>, topics: Topics<Data>) {
    const { clients, kept, leaseMs, limits, logger, subscriptions } = node;
    const { evictions, links, moves } = neighbours;
    const { timeoutMs } = limits;
    this.moves = moves;
    this.#clients = clients;
    this.#neighbours = neighbours;
    this.#topics = topics;
    this.#links = links;
    this.#timeoutMs = timeoutMs;
    const waitMs = Math.min(leaseMs + timeoutMs, MAX_WAIT_MS);
    this.cutter = new Cutter({ node: neighbours, links, moves, audience: topics.audience, timeoutMs: waitMs });
    this.departures = new Departures({ node: neighbours, links, timeoutMs });
    const { cutter } = this;
    const { interest } = topics;
    const cuts = new Cuts({ node: neighbours, links, cutter });
    this.arrivals = new Arrivals<Data>({
      node: neighbours,
      links,
      evictions,
      moves,
      cuts,
      interest,
      waitMs,
      kept,
      logger,
      subscriptions,
    });
  }

  // ---- for what this node sends ----

  has(id: string): boolean {
    return this.moves.get(id) !== undefined;
  }

  isHere(id: string): boolean {
    return this.moves.isHere(id, this.#neighbours.holder.life);
  }

  except(ids: Except): Except {
    return this.moves.except(this.#neighbours.holder.life, ids);
  }

  readyFor(topic: string): Promise<void> | undefined {
    const { ready } = this.cutter;
    return ready && !this.#topics.audience.knows(topic) ? ready : undefined;
  }

  /**
   * Sends a message on to the node that a client comes from, because this node has not made its cut yet: so it keeps its
   * place among what this node sends. Undefined if the client does not come from another node.
   *
   * Resolves with true when the old node has it. A message that no old node takes waits here, and its result until the
   * move is over: before that, the client may still go on without this node.
   */
  sendOn(id: string, frame: Frame, options: SendOptions): Promise<boolean> | undefined {
    const move = this.moves.get(id);
    if (!move?.arrives) return undefined;
    const { signal, timeoutMs = this.#timeoutMs } = options;
    const answered = withTimeout(this.#outcome(move, frame), timeoutMs, "the move of the client to this node");
    return unlessAborted(answered, signal);
  }

  async #outcome(move: Move, frame: Frame): Promise<boolean> {
    const sent = move.old && this.#toOld(move, move.old, frame);
    if (sent) move.sentOn.push(sent);
    else this.#keep(move, frame);
    const status = await sent;
    if (status !== undefined) return status === Status.OK;
    await move.ended.promise;
    return await this.#clients.taken(frame);
  }

  /**
   * Resolves with the old node's answer; with undefined if the message waits here. If the old node may not have it, the
   * client cannot go on: later messages would overtake it.
   */
  async #toOld(move: Move, old: Holder, frame: Frame): Promise<Status | undefined> {
    const number = ++move.sends;
    const deadlineMs = performance.now() + this.#timeoutMs;
    try {
      for (;;) {
        const { status } = await this.#links.call(old, emitItem(move.client.id, frame), deadlineMs);
        if (status === Status.OK || status === Status.FULL) return status;
        if (status !== Status.MOVING) break;
        // The client is still on its way to that node, from a third one.
        if (move.sends > number) throw new MeshError("unavailable", "a later message may have overtaken this one");
        await tryLater();
      }
    } catch {
      move.failed = true;
    }
    this.#keep(move, frame);
    return undefined;
  }

  /** A message that no old node takes waits here. */
  #keep(move: Move, frame: Frame): void {
    move.kept++;
    if (!this.#clients.emit(move.client.id, frame)) frame.refused++;
  }
}
