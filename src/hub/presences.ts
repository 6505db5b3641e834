import { about } from "../base/log/about.ts";
import type { Clients } from "../client/clients.ts";
import type { Limits } from "../base/limits.ts";
import type { Logger } from "../base/log/logger.ts";
import { type PresenceChange, PresenceView } from "./presence-view.ts";
import { PresenceWatch, type WatchOptions } from "./presence-watch.ts";

/** Follows the members of a topic on other nodes. */
export interface RemotePresence {
  /** Keeps the view up to date from now on. Settles when every node that could be reached has sent its snapshot. */
  follow(topic: string, view: PresenceView): Promise<void>;
  unfollow(topic: string): void;
}

interface Watched {
  readonly view: PresenceView;
  readonly watches: Set<PresenceWatch>;
  readonly stopLocal: () => void;
}

/** This node's own clients, as a source. */
const HERE = "";

/** The watches of this hub: all that watch one topic share one view of it. */
export class Presences<Data = unknown> {
  /** The members on other nodes; undefined for a hub on its own. */
  remote: RemotePresence | undefined;
  readonly #clients: Clients<Data>;
  readonly #limits: Readonly<Limits>;
  readonly #logger: Logger;
  readonly #watched = new Map<string, Watched>();

  constructor(clients: Clients<Data>, limits: Readonly<Limits>, logger: Logger) {
    this.#clients = clients;
    this.#limits = limits;
    this.#logger = logger;
  }

  /** Starts a watch. */
  watch(topic: string, options: WatchOptions): PresenceWatch {
    options.signal?.throwIfAborted();
    const known = this.#watched.get(topic);
    const watched = known ?? this.#start(topic);
    const ready = this.remote?.follow(topic, watched.view) ?? Promise.resolve();
    const watch = new PresenceWatch(
      ready,
      { by: options.by, onEvent: options.onEvent && this.#safe(options.onEvent) },
      () => {
        options.signal?.removeEventListener("abort", onAbort);
        this.#end(topic, watched, watch);
      },
    );
    const onAbort = (): void => watch.close();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    watched.watches.add(watch);
    for (const member of watched.view.members()) watch.push({ type: "join", ...member });
    return watch;
  }

  /** Ends all watches. */
  close(): void {
    for (const { watches } of [...this.#watched.values()]) for (const watch of [...watches]) watch.close();
  }

  #start(topic: string): Watched {
    const watches = new Set<PresenceWatch>();
    const tell = (change: PresenceChange): void => {
      for (const watch of watches) watch.push(change);
    };
    const view = new PresenceView(this.#limits.takeoverGraceMs, tell);
    const stopLocal = this.#clients.topics.observe(topic, {
      joined: (member) => view.joined(HERE, member),
      left: ({ id, replaced }) => view.left(HERE, id, replaced),
    });
    view.snapshot(HERE, [...(this.#clients.topics.listeners(topic) ?? [])]);
    const watched: Watched = { view, watches, stopLocal };
    this.#watched.set(topic, watched);
    return watched;
  }

  #end(topic: string, watched: Watched, watch: PresenceWatch): void {
    if (!watched.watches.delete(watch) || watched.watches.size > 0) return;
    this.#watched.delete(topic);
    watched.stopLocal();
    watched.view.close();
    this.remote?.unfollow(topic);
  }

  #safe(onEvent: NonNullable<WatchOptions["onEvent"]>): NonNullable<WatchOptions["onEvent"]> {
    return (event) => {
      try {
        onEvent(event);
      } catch (error) {
        this.#logger.error("meshsocket: onEvent of a presence watch failed", error, about("listener_failed"));
      }
    };
  }
}
