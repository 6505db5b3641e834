import { MeshError } from "../../base/error.ts";
import { randomId } from "../../base/random-id.ts";
import { noLease } from "../check-holder.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdError, NOT_FOUND } from "./errors.ts";
import type { EtcdKeys } from "./keys.ts";
import type { EtcdLife } from "./life.ts";
import type { EtcdLives } from "./lives.ts";
import { entryOf, livesBy, wordsOf } from "./value.ts";
import {
  type Answer,
  beginsWith,
  branch,
  type KeyValue,
  type Operation,
  put,
  read,
  touch,
  type TxnAnswer,
  writtenAt,
} from "./wire.ts";
import type { Claimed, Holder } from "../storage.ts";

/** One id to claim. */
interface Wanted {
  readonly id: string;
  /** With `ifAbsent`: the revision of a dead holder's entry that may be replaced; 0 for none. */
  readonly over: bigint;
}

/** The outcome of a transaction for one id. */
interface Outcome {
  readonly granted: boolean;
  /** The value before it, or the present one if it was refused. */
  readonly other: KeyValue | undefined;
}

/** The outcome of a transaction. */
interface Round {
  readonly revision: bigint;
  readonly outcomes: readonly Outcome[];
  readonly nodes: Answer | undefined;
}

/** How often a claim is made again if it is certain that it took no effect. */
const MAX_ROUNDS = 5;

/**
 * Claims ids, each call taking effect once.
 *
 * A claim's transaction rewrites the node key with a name of the call, on condition that it was not written since the last one. So a
 * repeated or late transaction of the same call does nothing, and rewriting the node key once more settles what became of a lost one:
 * it is either in the store's history or never will be.
 */
export class EtcdClaims {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #lives: EtcdLives;

  constructor(client: EtcdClient, keys: EtcdKeys, lives: EtcdLives) {
    this.#client = client;
    this.#keys = keys;
    this.#lives = lives;
  }

  /** Claims ids that fit into one transaction and are all different. */
  async claim(ids: readonly string[], holder: Holder, ifAbsent: boolean): Promise<Claimed[]> {
    const claimed = new Map<string, Claimed>();
    let wanted: Wanted[] = ids.map((id) => ({ id, over: 0n }));
    for (let rounds = 0; wanted.length > 0; rounds++) {
      if (rounds === MAX_ROUNDS) throw tooBusy();
      const { revision, outcomes, nodes } = await this.#claimOnce(wanted, holder, ifAbsent);
      const lives = livesBy(this.#keys, nodes);
      wanted = wanted.flatMap(({ id }, index) => {
        const { granted, other } = outcomes[index] ?? { granted: false, other: undefined };
        const entry = other && entryOf(other);
        const previous = entry && lives(entry) ? entry : undefined;
        if (!granted && previous === undefined) return [{ id, over: other?.modRevision ?? 0n }];
        claimed.set(id, { claim: granted ? revision : undefined, previous });
        return [];
      });
    }
    return ids.map((id) => claimed.get(id) ?? { claim: undefined, previous: undefined });
  }

  async #claimOnce(wanted: readonly Wanted[], holder: Holder, ifAbsent: boolean): Promise<Round> {
    for (let attempt = 1;; attempt++) {
      const life = await this.#lives.of(holder);
      const lease = await life.room.reserve(wanted.length);
      const { round, lost } = await life.inTurn(() => this.#try(wanted, life, lease, ifAbsent)).catch(
        (error: unknown) => {
          life.room.settle(lease, wanted.length, wanted.length);
          throw error;
        },
      );
      life.room.settle(lease, wanted.length, round?.outcomes.filter(({ granted }) => granted).length ?? 0);
      if (round) {
        for (const { granted, other } of round.outcomes) if (granted && other) this.#lives.freed(other.lease);
        return round;
      }
      // It took no effect and never will: it may be made again.
      if (lost instanceof EtcdError && lost.status === NOT_FOUND) {
        life.broken = true;
        life.room.clear();
      } else if (lost !== undefined && !(attempt === 1 && lost instanceof EtcdError && lost.passing)) throw lost;
      if (attempt === MAX_ROUNDS) throw lost ?? tooBusy();
    }
  }

  /** One transaction. Without a round it certainly took no effect; rejects if that cannot be found out. */
  async #try(
    wanted: readonly Wanted[],
    life: EtcdLife,
    lease: string,
    ifAbsent: boolean,
  ): Promise<{ round: Round | undefined; lost: MeshError | undefined }> {
    const node = this.#keys.node(life.host);
    const call = randomId();
    const ops = [
      put(node, `${life.life} ${call}`, life.lease),
      read(this.#keys.nodes),
      ...wanted.map((one) => this.#operation(one, life, lease, ifAbsent)),
    ];
    let lost: MeshError | undefined;
    try {
      const answer = await this.#client.txn([writtenAt(node, life.fence)], ops, [], { once: true });
      if (answer.succeeded) {
        life.fence = answer.revision;
        return { round: roundOf(answer, ifAbsent), lost };
      }
    } catch (error) {
      if (!(error instanceof MeshError && error.code === "unavailable")) throw error;
      lost = error;
    }
    return { round: await this.#recall(wanted, life, call, lost), lost };
  }

  #operation({ id, over }: Wanted, life: EtcdLife, lease: string, ifAbsent: boolean): Operation {
    const key = this.#keys.connection(id);
    const claim = put(key, `${life.life} ${life.host}`, lease);
    if (!ifAbsent) return claim;
    return branch([writtenAt(key, over)], [claim], [branch(beginsWith(key, life.life), [claim], [read(key)])]);
  }

  /** Keeps a claim's transaction from taking effect any more, and finds out whether it had; undefined if not. */
  async #recall(
    wanted: readonly Wanted[],
    life: EtcdLife,
    call: string,
    lost: MeshError | undefined,
  ): Promise<Round | undefined> {
    const node = this.#keys.node(life.host);
    const settle = (): Promise<TxnAnswer> => this.#client.txn(beginsWith(node, life.life), [touch(node)]);
    const { succeeded, revision, answers } = await settle()
      .catch((error: unknown) => {
        // Whoever waits has waited long enough.
        if (error instanceof EtcdError && error.passing && !error.timedOut) return settle();
        throw error;
      })
      .catch((error: unknown) => {
        throw lost ?? error;
      });
    if (!succeeded) throw noLease();
    const before = answers[0]?.before;
    life.fence = revision;
    life.lease = before?.lease ?? life.lease;
    if (before === undefined || wordsOf(before)[1] !== call) return undefined;
    return await this.#past(wanted, node, before).catch((error: unknown) => {
      throw lost ?? error;
    });
  }

  /** The outcome of a transaction, read from the store's history. `written` is the node key at it, or touched later. */
  async #past(wanted: readonly Wanted[], node: string, written: KeyValue): Promise<Round> {
    const revision = written.modRevision;
    const readAt = (then: bigint): Promise<TxnAnswer> =>
      this.#client.txn([], [
        read(node, { revision: then }),
        read(this.#keys.nodes, { revision: then }),
        ...wanted.map(({ id }) => read(this.#keys.connection(id), { revision: then })),
      ]);
    const [before, after] = await Promise.all([readAt(revision - 1n), readAt(revision)]);
    const earlier = before.answers[0]?.found[0];
    if (earlier?.value === written.value) return await this.#past(wanted, node, earlier);
    const outcomes = wanted.map((_, index) => {
      const now = after.answers[index + 2]?.found[0];
      const granted = now?.modRevision === revision;
      return { granted, other: granted ? before.answers[index + 2]?.found[0] : now };
    });
    return { revision, outcomes, nodes: after.answers[1] };
  }
}

function roundOf({ revision, answers }: TxnAnswer, ifAbsent: boolean): Round {
  const [, nodes, ...rest] = answers;
  return { revision, nodes, outcomes: rest.map((answer) => (ifAbsent ? outcomeOf(answer) : taken(answer))) };
}

function taken(answer: Answer | undefined): Outcome {
  return { granted: true, other: answer?.before };
}

/** The outcome of the nested transactions of {@link EtcdClaims.#operation}. */
function outcomeOf({ nested }: Answer): Outcome {
  const first = nested?.answers[0];
  if (nested?.succeeded) return taken(first);
  const second = first?.nested?.answers[0];
  return first?.nested?.succeeded ? taken(second) : { granted: false, other: second?.found[0] };
}

function tooBusy(): MeshError {
  return new MeshError("unavailable", "others wrote to the storage at every attempt");
}
