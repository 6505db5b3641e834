import { create } from "@bufbuild/protobuf";
import { BoundedMap } from "../base/bounded-map.ts";
import {
  type Answer,
  type Batch,
  type BatchAnswer,
  BatchAnswerSchema,
  type Holder,
  type Item,
  Outcome,
} from "../gen/meshsocket/node/v1/node_pb.ts";

interface LineState {
  /** How often the sender started the numbers again. */
  readonly count: number;
  lastNumber: bigint;
  /** The newest answers, so that a repeated batch gets the same one. */
  readonly answers: Map<bigint, Promise<BatchAnswer>>;
}

/** More than a sender leaves unanswered. */
const KEPT_ANSWERS = 16;

/**
 * The receiving end of all links: takes each numbered batch of a line once.
 *
 * A line starts at 1 and only its next number is taken. A number taken before gets its old answer again; any other gets
 * OUTCOME_UNKNOWN, and the sender starts a new line. Nothing of an older line of that sender is taken from then on, so that
 * what a network held back does not overtake what was sent later.
 *
 * Nothing is taken of a life that has left or died, either: the other nodes have gone on without it, and clients that moved
 * since may have got its last messages where they were.
 */
export class Inbox {
  readonly #deps: InboxDependencies;
  /** In the order of their last use. */
  readonly #lines: BoundedMap<string, LineState>;

  /** The answers that are not known yet. */
  readonly #taking = new Set<Promise<BatchAnswer>>();

  constructor(deps: InboxDependencies) {
    this.#deps = deps;
    this.#lines = new BoundedMap(deps.maxLines);
  }

  /** Takes a batch and answers it. Never rejects for what the batch holds. */
  deliver(batch: Batch): Promise<BatchAnswer> {
    const life = this.#deps.node.servingLife;
    if (life === undefined || batch.toLife !== life) return this.#answer(batch, Outcome.OTHER_LIFE, life ?? "");
    if (batch.number === 0n) return this.#answer(batch, Outcome.TAKEN, life);
    const line = this.#line(batch);
    const known = line?.answers.get(batch.number);
    if (known) return known;
    if (!line || this.#isOver(batch) || batch.number !== line.lastNumber + 1n) {
      return this.#answer(batch, Outcome.UNKNOWN, life);
    }
    line.lastNumber = batch.number;
    const answer = this.#take(batch, life);
    this.#taking.add(answer);
    answer.finally(() => this.#taking.delete(answer)).catch(() => {});
    line.answers.set(batch.number, answer);
    line.answers.delete(batch.number - BigInt(KEPT_ANSWERS));
    return answer;
  }

  /** Settles when all that was taken by now is answered. */
  async answered(): Promise<void> {
    await Promise.allSettled(this.#taking);
  }

  async #take(batch: Batch, life: string): Promise<BatchAnswer> {
    const answers = await this.#deps.receiver.receive(batch.items, batch.from);
    const { number } = batch;
    return { $typeName: "meshsocket.node.v1.BatchAnswer", number, life, outcome: Outcome.TAKEN, answers };
  }

  async #answer(batch: Batch, outcome: Outcome, life: string): Promise<BatchAnswer> {
    return create(BatchAnswerSchema, { number: batch.number, life, outcome });
  }

  #isOver({ from }: Batch): boolean {
    return from !== undefined && this.#deps.node.isOver(from.life);
  }

  #line(batch: Batch): LineState | undefined {
    const { link, count } = parseLineName(batch.line);
    let line = this.#lines.get(link);
    // Batches that an older line still carried were given up before the newer one started.
    if (line && count < line.count) return undefined;
    if (line?.count !== count) {
      if (batch.number !== 1n || this.#isOver(batch)) return undefined;
      if (batch.from) this.#deps.begun?.();
      line = { count, lastNumber: 0n, answers: new Map() };
    }
    this.#lines.set(link, line);
    return line;
  }
}

/** The parts of a line's name: a random one, and how often its numbers started again. A name without a count is the first of its kind. */
export function parseLineName(text: string): { link: string; count: number } {
  const [, link = text, count = "0"] = /^(.*):(\d{1,15})$/s.exec(text) ?? [];
  return { link, count: Number(count) };
}

/** Dependencies of {@link Inbox}. */
export interface InboxDependencies {
  node: ServingNode;
  receiver: ItemReceiver;
  maxLines: number;
  /** A node began a line: batches that it sent before may not have come. */
  begun?(): void;
}

/** A node that knows whether it may be called. */
export interface ServingNode {
  /** The life that others may call; undefined while there is none. */
  readonly servingLife: string | undefined;
  /** Whether the life of another node has left or died. */
  isOver(life: string): boolean;
}

/** Does what items ask for. */
export interface ItemReceiver {
  /** Takes the items, in order and before its first await, and answers one by one. */
  receive(items: readonly Item[], from: Holder | undefined): Promise<Answer[]>;
}
