import { adoptionOf, type AwayClient } from "../../client/resume/adoption.ts";
import { toAdopt } from "../handover.ts";
import { adoptItem, type SizedItem } from "../../link/items.ts";
import { type Answer, Status } from "../../gen/meshsocket/node/v1/node_pb.ts";
import type { Holder } from "../../storage/storage.ts";

/** Hands clients that are away to other nodes, because this one leaves. */
export class Departures {
  readonly #deps: DeparturesDependencies;

  constructor(deps: DeparturesDependencies) {
    this.#deps = deps;
  }

  /**
   * Asks other nodes, each for its share of the clients, to take them over; resolves with how many they will. With another
   * `turn` each client is for another node. Never rejects.
   */
  async offer(clients: readonly AwayClient[], turn: number): Promise<number> {
    const nodes = this.#deps.node.nodes();
    const taken = await Promise.all(
      clients.map(async (client, index) => {
        const to = nodes[(index + turn) % nodes.length];
        return to !== undefined && await this.#offer(client, to);
      }),
    );
    return taken.filter(Boolean).length;
  }

  async #offer(client: AwayClient, to: Holder): Promise<boolean> {
    const { links, timeoutMs } = this.#deps;
    const adoption = adoptionOf(client);
    if (!adoption) return false;
    try {
      return (await links.call(to, adoptItem(toAdopt(adoption)), performance.now() + timeoutMs)).status === Status.OK;
    } catch {
      return false;
    }
  }
}

/** Dependencies of {@link Departures}. */
export interface DeparturesDependencies {
  node: { nodes(): Holder[] };
  links: { call(to: Holder, item: SizedItem, deadlineMs: number): Promise<Answer> };
  timeoutMs: number;
}
