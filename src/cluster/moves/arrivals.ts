import { Arriving, type ArrivingDependencies, type Found, tryLater } from "./arriving.ts";
import { about } from "../../base/log/about.ts";
import { SILENT } from "../evictions.ts";
import type { DistSession } from "../dist-session.ts";
import type { HandedOver } from "../../client/resume/handover.ts";
import type { HubClient } from "../../client/hub-client.ts";
import type { KeptTopics } from "../../hub/history/kept-topics.ts";
import type { Logger } from "../../base/log/logger.ts";
import { errorCode, MeshError } from "../../base/error.ts";
import type { Move } from "./moves.ts";
import type { ResumeOffer } from "../../client/resume/resume.ts";
import type { Subscriptions } from "../../hub/subscriptions.ts";
import type { Holder } from "../../storage/storage.ts";
import type { Answer } from "../../gen/meshsocket/node/v1/node_pb.ts";

/**
 * Takes over clients that come back on this node and were on another one.
 *
 * First the old node says what the client listens on, so that this one can listen as well. Then every node that may send
 * to the client divides what it sends between the two: see {@link Moves}. Only then the old node hands it over. Topics with
 * history need no division: the client goes on from its place in them.
 */
export class Arrivals<Data> {
  readonly #deps: ArrivalsDependencies<Data>;

  constructor(deps: ArrivalsDependencies<Data>) {
    this.#deps = deps;
  }

  /**
   * Resolves with the client as its node hands it over, or with why it cannot resume. Never rejects.
   *
   * The claim names the previous holder. That one may have claimed the id in vain, so that it does not have the client: then
   * the other nodes are asked.
   */
  async takeOver(client: HubClient<Data>, session: DistSession, offer: ResumeOffer): Promise<HandedOver | string> {
    const { moves, node, waitMs } = this.#deps;
    const { previous, claim } = session;
    const untilMs = performance.now() + waitMs;
    const move = moves.arrives(client, claim);
    if (previous?.life !== node.holder.life) move.old = previous;
    const asked = await this.#ask(move.old, move, offer, untilMs);
    const found = isFound(asked) ? asked : await this.#search(move, offer, untilMs);
    if (found?.handover.waits) return await this.#bring(client, new Arriving(move, found, untilMs, this.#deps));
    await move.settled();
    // Its node may still have it, and take messages for it: it is to come again before it begins as a new client.
    if (!found && asked === SILENT && offer.former === undefined) client.lose("closed");
    return found?.handover.refusal ?? "unknown";
  }

  /**
   * Asks a node for the client: undefined if it does not have it, or cannot be reached; {@link SILENT} if it lives and
   * does not answer.
   */
  async #ask(old: Holder | undefined, move: Move, offer: ResumeOffer, untilMs: number): Promise<Asked> {
    if (!old) return undefined;
    const { client: { id }, claim } = move;
    const answer = await this.#deps.evictions.evict(old, id, claim, offer, untilMs);
    if (answer === SILENT) return SILENT;
    const handover = (answer as Answer | undefined)?.handover;
    return handover && handover.refusal !== UNKNOWN ? { old, handover } : undefined;
  }

  /** Asks the other nodes. Messages that found no node meanwhile would come too late to be in order: then it is given up. */
  async #search(move: Move, offer: ResumeOffer, untilMs: number): Promise<Found | undefined> {
    const asked = move.old?.life;
    move.old = undefined;
    const others = this.#deps.node.nodes().filter(({ life }) => life !== asked);
    const found = (await Promise.all(others.map((old) => this.#ask(old, move, offer, untilMs)))).find(isFound);
    await move.settled();
    move.old = found?.old;
    move.failed ||= found !== undefined && move.kept > 0;
    return found;
  }

  async #bring(client: HubClient<Data>, arriving: Arriving): Promise<HandedOver | string> {
    try {
      await this.#listen(client, arriving);
      const handed = await arriving.take();
      if (typeof handed !== "string") await this.#goOn(client, handed);
      return handed;
    } catch (error) {
      const { logger } = this.#deps;
      logger.error("meshsocket: a topic was lost", error, about("client_failed", { client: client.id }));
      arriving.giveUp();
      // Messages that it got here come after some that stayed on the old node. It comes again, and begins as a new client.
      client.lose("closed");
      return "unknown";
    }
  }

  /** Makes the client listen, again while there is time: the other nodes may not have been told of a topic soon enough. */
  async #listen(client: HubClient<Data>, arriving: Arriving): Promise<void> {
    for (;;) {
      try {
        return await this.#listenOnce(client, arriving);
      } catch (error) {
        const code = errorCode(error);
        if ((code !== "unavailable" && code !== "deadline_exceeded") || !arriving.hasTime) throw error;
        await tryLater();
      }
    }
  }

  /** Makes the client listen on its topics without history, and as its user's. */
  async #listenOnce(client: HubClient<Data>, { topics, tagged }: Arriving): Promise<void> {
    const { kept, subscriptions } = this.#deps;
    const keepsNone = (topic: string): boolean => kept.windowOf(topic) === undefined;
    await Promise.all([
      subscriptions.add(client, topics.filter(keepsNone)),
      subscriptions.listen(client, tagged.filter(keepsNone)),
      subscriptions.addUser(client),
    ]);
  }

  /**
   * Makes the client go on in topics with history, from the place that it had reached. If something is missing there, a client that
   * subscribed itself hears of the gap; otherwise this rejects.
   */
  async #goOn(client: HubClient<Data>, { places, tagged, topics }: HandedOver): Promise<void> {
    for (const { topic, epoch, offset, delta } of places) {
      const byServer = topics.includes(topic);
      if (tagged.includes(topic)) (client.tagged ??= new Map<string, boolean>()).set(topic, byServer);
      const { recovered } = await this.#deps.subscriptions.join(client, topic, { epoch, offset });
      if (!recovered && !tagged.includes(topic)) {
        throw new MeshError("unknown", `messages of ${JSON.stringify(topic)} are not kept any more`);
      }
      if (delta) this.#deps.subscriptions.giveDeltas(client, topic);
    }
  }

  /** The client is here, or is not to come. */
  end(id: string): void {
    this.#deps.moves.end(id);
  }
}

/** The refusal of a node that does not have the client. */
const UNKNOWN = "unknown";

type Asked = Found | typeof SILENT | undefined;

function isFound(asked: Asked): asked is Found {
  return asked !== SILENT && asked !== undefined;
}

/** Dependencies of {@link Arrivals}. */
export interface ArrivalsDependencies<Data> extends ArrivingDependencies {
  subscriptions: Subscriptions<Data>;
  kept: KeptTopics<Data>;
  logger: Logger;
}
