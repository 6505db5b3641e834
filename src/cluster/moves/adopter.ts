import type { Adoption } from "../../client/resume/adoption.ts";
import { HubClient } from "../../client/hub-client.ts";
import type { ClientOwner, Identity } from "../../client/client-owner.ts";
import type { ClusterDependencies } from "../cluster-dependencies.ts";
import type { Grant } from "../../hub/registry.ts";
import type { ResumeOffer } from "../../client/resume/resume.ts";
import { Protocol } from "../../client/resume/protocol.ts";
import { idSecretOf } from "../../client/resume/unnamed-id.ts";
import { settle } from "../../client/resume/settle.ts";
import { V1_PROTOCOL } from "../../wire/v1.ts";

/**
 * Takes over clients that are away from a node that leaves, as if they had come back here.
 *
 * They have no session, and no handlers, before they do: `session()` runs then, as at each resume.
 */
export class Adopter<Data> {
  readonly #node: ClusterDependencies<Data>;

  constructor(node: ClusterDependencies<Data>) {
    this.#node = node;
  }

  /** Begins to take a client over; false if this node does not. */
  adopt(adoption: Adoption): boolean {
    if (!this.#mayHave(adoption.id)) return false;
    void this.#adopt(adoption);
    return true;
  }

  #mayHave(id: string): boolean {
    const { clients, limits, owner, state } = this.#node;
    if (state.closing || !owner?.resume.windowMs) return false;
    return clients.size < limits.maxConnections && clients.get(id) === undefined;
  }

  /** Without a claim the client stays where it is. */
  async #adopt(adoption: Adoption): Promise<void> {
    const { clients, owner, registry } = this.#node;
    const { id, token, former, received, user } = adoption;
    const offer: ResumeOffer = { token, former, received, user };
    const grant = await registry.claim(id, offer, undefined).catch(() => undefined);
    if (!grant) return;
    registry.settle(grant);
    if (!owner || grant.replaced || !this.#mayHave(id)) return registry.release(id, grant.claim);
    const client = new HubClient<Data>(owner, identityOf<Data>(adoption, grant));
    clients.add(client);
    client.expected(undefined, this.#take(client, grant, offer, owner));
  }

  async #take(client: HubClient<Data>, grant: Grant, offer: ResumeOffer, owner: Owner<Data>): Promise<void> {
    const { registry } = this.#node;
    const handed = await registry.takeOver(client, grant, offer);
    const lost = settle(client, undefined, offer, handed, owner);
    registry.arrived(client);
    // Its node gave it up, and says so.
    if (typeof handed === "string") client.forgotten();
    else if (lost !== undefined) client.lose("overflow");
  }
}

type Owner<Data> = ClientOwner<Data, HubClient<Data>>;

function identityOf<Data>(adoption: Adoption, { claim }: Grant): Identity<Data> {
  const { id, user, info, url, remoteAddress, token, expiresAt } = adoption;
  const session = { id, user, expiresAt, data: undefined as Data };
  return {
    id,
    claim,
    session,
    info,
    url,
    remoteAddress,
    protocol: V1_PROTOCOL,
    v1: Protocol,
    idSecret: idSecretOf(token),
    resume: undefined,
  };
}
