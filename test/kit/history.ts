/** What clients and senders saw, at logical times, so that a checker can tell afterwards whether every promise was kept. */
import type { Delivery } from "../../src/send/verbs.ts";

/** Something that took from `start` to `end`; without an end it was still under way when the run was over. */
interface Span {
  readonly start: number;
  end?: number;
}

/** A client was made to listen on a topic, or to stop. */
export interface Listening extends Span {
  readonly client: string;
  readonly topic: string;
  readonly wanted: boolean;
  /** The call rejected. */
  failed?: boolean;
}

/** A message to a topic. */
export interface Publication extends Span {
  /** Unique in the history. */
  readonly message: string;
  /** Whoever sends one call after the other; a node. */
  readonly publisher: string;
  readonly topic: string;
  readonly except: readonly string[];
  /** What the call resolved with; undefined when it rejected. */
  delivery?: Delivery;
}

/** A message that a client got. */
export interface Receipt {
  readonly client: string;
  readonly message: string;
  readonly at: number;
}

/** Everything that happened in one run. Times come from one logical clock: they are all different. */
export interface HistoryLog {
  readonly listenings: readonly Listening[];
  readonly publications: readonly Publication[];
  readonly receipts: readonly Receipt[];
  /** When clients went away. */
  readonly closings: readonly { readonly client: string; readonly at: number }[];
}

/** Writes a {@link HistoryLog} while a test runs. */
export class History implements HistoryLog {
  readonly listenings: Listening[] = [];
  readonly publications: Publication[] = [];
  readonly receipts: Receipt[] = [];
  readonly closings: { client: string; at: number }[] = [];
  #now = 0;

  /** Runs a call that makes a client listen; resolves with whether it did. Calls for one client and topic must not overlap. */
  async subscribe(client: string, topic: string, call: () => Promise<unknown>): Promise<boolean> {
    return await this.#listening({ client, topic, wanted: true, start: ++this.#now }, call);
  }

  /** Runs a call that makes a client stop. */
  async unsubscribe(client: string, topic: string, call: () => Promise<unknown>): Promise<boolean> {
    return await this.#listening({ client, topic, wanted: false, start: ++this.#now }, call);
  }

  /** Runs a call that publishes; resolves with what became of it, undefined when the call rejected. */
  async publish(
    { publisher, topic, message, except = [] }: {
      publisher: string;
      topic: string;
      message: string;
      except?: string[];
    },
    call: () => Promise<Delivery>,
  ): Promise<Delivery | undefined> {
    const publication: Publication = { publisher, topic, message, except, start: ++this.#now };
    this.publications.push(publication);
    try {
      publication.delivery = await call();
    } catch {
      // Nothing is promised of it but that nobody gets it twice.
    }
    publication.end = ++this.#now;
    return publication.delivery;
  }

  received(client: string, message: string): void {
    this.receipts.push({ client, message, at: ++this.#now });
  }

  closed(client: string): void {
    this.closings.push({ client, at: ++this.#now });
  }

  async #listening(listening: Listening, call: () => Promise<unknown>): Promise<boolean> {
    this.listenings.push(listening);
    try {
      await call();
    } catch {
      listening.failed = true;
    }
    listening.end = ++this.#now;
    return listening.failed !== true;
  }
}
