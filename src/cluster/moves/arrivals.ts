import { Arriving, type ArrivingDependencies } from "./arriving.ts";
import { about } from "../../base/log/about.ts";
import type { DistSession } from "../dist-session.ts";
import type { HandedOver } from "../../client/resume/handover.ts";
import type { HubClient } from "../../client/hub-client.ts";
import type { KeptTopics } from "../../hub/history/kept-topics.ts";
import type { Logger } from "../../base/log/logger.ts";
import { MeshError } from "../../base/error.ts";
import type { Moves } from "./moves.ts";
import type { ResumeOffer } from "../../client/resume/resume.ts";
import type { Subscriptions } from "../../hub/subscriptions.ts";
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

  /** Resolves with the client of the previous holder, or with why it cannot resume. Never rejects. */
  async takeOver(client: HubClient<Data>, session: DistSession, offer: ResumeOffer): Promise<HandedOver | string> {
    const { moves, node, evictions } = this.#deps;
    const { previous, claim } = session;
    if (!previous || previous.life === node.holder.life) return "unknown";
    const move = moves.arrives(client, claim, previous);
    const answer = (await evictions.evict(previous, client.id, claim, offer)) as Answer | undefined;
    const handover = answer?.handover;
    if (handover?.waits) return await this.#bring(client, new Arriving(move, previous, handover, this.#deps));
    await move.settled();
    return handover?.refusal || "unknown";
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
      return "unknown";
    }
  }

  /** Makes the client listen on its topics without history, and as its user's. */
  async #listen(client: HubClient<Data>, { topics, tagged }: Arriving): Promise<void> {
    const { kept, subscriptions } = this.#deps;
    const keepsNone = (topic: string): boolean => kept.windowOf(topic) === undefined;
    await Promise.all([
      subscriptions.add(client, topics.filter(keepsNone)),
      subscriptions.listen(client, tagged.filter(keepsNone)),
      subscriptions.addUser(client),
    ]);
  }

  /** Makes the client go on in topics with history, from the place that it had reached. Rejects if something is missing there. */
  async #goOn(client: HubClient<Data>, { places, tagged, topics }: HandedOver): Promise<void> {
    for (const { topic, epoch, offset } of places) {
      const byServer = topics.includes(topic);
      if (tagged.includes(topic)) (client.tagged ??= new Map<string, boolean>()).set(topic, byServer);
      const { recovered } = await this.#deps.subscriptions.join(client, topic, { epoch, offset });
      if (!recovered) throw new MeshError("unknown", `messages of ${JSON.stringify(topic)} are not kept any more`);
    }
  }

  /** The client is here, or is not to come. */
  end(id: string): void {
    this.#deps.moves.end(id);
  }
}

/** Dependencies of {@link Arrivals}. */
export interface ArrivalsDependencies<Data> extends ArrivingDependencies {
  moves: Moves;
  subscriptions: Subscriptions<Data>;
  kept: KeptTopics<Data>;
  logger: Logger;
}
