import { afterTick } from "../base/tick.ts";
import type { HubClient } from "../client/hub-client.ts";
import type { TopicIndex } from "../client/topics.ts";

/** Clients of this node whose info changed in this tick: those who watch their topics are told once, at its end. */
export class InfoChanges<Data> {
  readonly #topics: TopicIndex<Data>;
  #changed = new Set<HubClient<Data>>();

  constructor(topics: TopicIndex<Data>) {
    this.#topics = topics;
  }

  add(client: HubClient<Data>): void {
    if (this.#changed.size === 0) afterTick(() => this.#tell());
    this.#changed.add(client);
  }

  #tell(): void {
    const changed = this.#changed;
    this.#changed = new Set();
    for (const client of changed) if (client.open) this.#topics.infoChanged(client);
  }
}
