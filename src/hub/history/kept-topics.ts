import { invalidArgument, MeshError } from "../../base/error.ts";
import type { HistoryStore, HistoryWindow } from "../../history/history.ts";
import type { Histories, HistoriesNode } from "./histories.ts";
import type { HistoryOptions, TopicOptions } from "../topics/topic-options.ts";
import { TopicRules } from "../topics/topic-rules.ts";

/** The topics of a hub that keep history. The code behind them is loaded for a hub that has such topics. */
export class KeptTopics<Data> {
  readonly #node: KeptTopicsDependencies<Data>;
  /** Whether any topic keeps history. */
  readonly any: boolean;
  /** The entries with what they keep, as JSON: all nodes of a cluster need the same. */
  readonly rules: string;
  readonly #windows: TopicRules<HistoryWindow | undefined>;
  /** Undefined until it is known: a hub on its own makes one. */
  store: HistoryStore | undefined;
  #loading: Promise<Histories<Data>> | undefined;
  #loaded: Histories<Data> | undefined;

  /** Throws a TypeError (`invalid_argument`) for a store that no topic uses. The options must have been checked. */
  constructor(node: KeptTopicsDependencies<Data>) {
    const { topics = [], history } = node.options;
    this.#node = node;
    this.any = topics.some((entry) => entry.history);
    this.rules = JSON.stringify(topics.map(({ match, history: kept }) => ({ match, history: kept && filled(kept) })));
    this.#windows = new TopicRules(topics, (entry) => entry.history && filled(entry.history));
    this.store = history;
    if (history && !this.any) {
      throw invalidArgument("no topic has a history: write topics: [{ match, history: { messages } }] as well");
    }
  }

  /** How much of the topic is kept; undefined: nothing. */
  windowOf(topic: string): HistoryWindow | undefined {
    return this.#windows.of(topic);
  }

  /** The code behind; undefined until {@link load} settled. */
  get loaded(): Histories<Data> | undefined {
    return this.#loaded;
  }

  load(): Promise<Histories<Data>> {
    return (this.#loading ??= this.#load());
  }

  #load(): Promise<Histories<Data>> {
    const loading = import("./histories.ts").then(({ openHistories }) => openHistories(this.#node, this.store));
    // Before those that wait for it: from here on calls begin at once, and none overtakes them.
    loading.then((histories) => (this.#loaded = histories), () => {});
    return loading;
  }

  /** Does something with the history of a topic, in the order of the calls; undefined if the topic keeps none. */
  use<Result>(topic: string, call: Call<Data, Result>): Promise<Result> | undefined {
    const window = this.windowOf(topic);
    return window && this.#call(call, window);
  }

  async #call<Result>(call: Call<Data, Result>, window: HistoryWindow): Promise<Result> {
    return await call(this.#loaded ?? await this.load(), window);
  }

  /** {@link use} for a call that needs the history: rejects with `failed_precondition` if there is none. */
  async demand<Result>(topic: string, call: Call<Data, Result>): Promise<Result> {
    return await (this.use(topic, call) ?? keepsNone(topic));
  }
}

type Call<Data, Result> = (histories: Histories<Data>, window: HistoryWindow) => Promise<Result>;

function filled({ messages, ms = 86_400_000, bytes = 4_194_304 }: HistoryOptions): HistoryWindow {
  return { messages, ms, bytes };
}

/** Throws the error of a call that needs the history of a topic that keeps none. */
export function keepsNone(topic: string): never {
  const name = JSON.stringify(topic);
  throw new MeshError(
    "failed_precondition",
    `the topic ${name} keeps no history: give the hub topics: [{ match: ${name}, history: { messages: 100 } }]`,
  );
}

/** Dependencies of {@link KeptTopics}. */
export interface KeptTopicsDependencies<Data> extends HistoriesNode<Data> {
  readonly options: { readonly topics?: readonly TopicOptions[]; readonly history?: HistoryStore };
}
