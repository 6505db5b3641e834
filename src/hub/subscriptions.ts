import { unlessAborted } from "../base/abort.ts";
import { checkTopic, userTopic } from "../base/check/topic.ts";
import type { Clients } from "../client/clients.ts";
import type { HubClient } from "../client/hub-client.ts";
import { deadlineOf, withTimeout } from "../send/deadline.ts";
import { invalidArgument, MeshError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { From, Recovery, SendOptions } from "../send/verbs.ts";
import type { JoinCall } from "./history/histories.ts";
import { keepsNone, type KeptTopics } from "./history/kept-topics.ts";

/** The part of a cluster that has to know on which topics this node has listeners. */
export interface TopicInterest {
  /** Settles when they know. Called for every subscription. */
  want(topic: string): Promise<void>;
  /** The last listener on this node is gone. */
  unwant(topic: string): void;
}

/** One client's subscription to one topic while calls wait for it: it stays if one of them succeeds. */
interface Joining {
  calls: number;
  joined: boolean;
}

/** A client that is to listen from an earlier place. `own`: it asked for that itself, so that it gets the messages tagged. */
type Joined = Pick<JoinCall, "topic" | "from" | "options"> & { readonly own: boolean };

/** Used if there is nobody to tell of a topic. */
const KNOWN = Promise.resolve();

/** Makes this node's clients listen on topics, and stop. */
export class Subscriptions<Data = unknown> {
  /** The other nodes; undefined for a hub on its own. */
  interest: TopicInterest | undefined;
  /** Settles when the code that topics of this node need is there; undefined if they need none. Never rejects. */
  loading: Promise<void> | undefined;
  readonly #clients: Clients<Data>;
  readonly #limits: Readonly<Limits>;
  readonly #kept: KeptTopics<Data>;
  readonly #joining = new Map<HubClient<Data>, Map<string, Joining>>();

  constructor(clients: Clients<Data>, limits: Readonly<Limits>, kept: KeptTopics<Data>) {
    this.#clients = clients;
    this.#limits = limits;
    this.#kept = kept;
  }

  /** Settles when every send that starts from now on reaches the client. Rejects, and changes nothing, when that fails. */
  async add(client: HubClient<Data>, topics: readonly string[], options: SendOptions = {}): Promise<void> {
    this.#check(topics);
    const tagged = topics.filter((topic) => client.tagged?.get(topic) === false);
    for (const topic of tagged) client.tagged?.set(topic, true);
    try {
      await this.#add(client, topics, options);
    } catch (error) {
      for (const topic of tagged) if (client.tagged?.has(topic)) client.tagged.set(topic, false);
      throw error;
    }
  }

  /** {@link Subscriptions.add} for a client that asked for it itself: from now on it gets the messages of the topics tagged. */
  async listen(client: HubClient<Data>, topics: readonly string[]): Promise<void> {
    this.#check(topics);
    const byServer = new Set(topics.filter((topic) => client.topics.has(topic)));
    // A subscription that holds needs nothing more, and nothing that may fail.
    const added = this.#add(client, topics.filter((topic) => !this.#holds(client, topic)), {});
    for (const topic of topics) {
      if (!client.topics.has(topic)) continue;
      const tagged = (client.tagged ??= new Map<string, boolean>());
      if (!tagged.has(topic)) tagged.set(topic, byServer.has(topic));
      this.#clients.topics.tag(topic, client, true);
    }
    await added;
  }

  /** {@link Subscriptions.join} for a client that asked for it itself. It does not listen on the topic yet. */
  async listenFrom(client: HubClient<Data>, topic: string, from: From): Promise<Recovery> {
    return await this.#joinAs(client, { topic, from, options: {}, own: true });
  }

  /** Gives a client that asked for it itself the topic's messages as deltas from now on; false if the topic has none. */
  giveDeltas(client: HubClient<Data>, topic: string): boolean {
    return this.#clients.topics.giveDeltas(topic, client);
  }

  /** Ends what {@link Subscriptions.listen} began. If the server made the client listen as well, it gets bare messages again. */
  unlisten(client: HubClient<Data>, topic: string): void {
    const byServer = client.tagged?.get(topic);
    if (byServer === false) this.remove(client, topic);
    if (byServer !== true) return;
    client.tagged?.delete(topic);
    this.#clients.topics.tag(topic, client, false);
  }

  #holds(client: HubClient<Data>, topic: string): boolean {
    return client.topics.has(topic) && !this.#joining.get(client)?.has(topic);
  }

  async #add(client: HubClient<Data>, topics: readonly string[], options: SendOptions): Promise<void> {
    const added = new Set(topics).difference(client.topics);
    this.checkRoom(client, added.size);
    if (!client.open) return;
    for (const topic of added) this.#clients.topics.add(topic, client);
    if (!this.interest && !this.#kept.any && !this.loading) return;
    const joinings = this.#join(client, topics, added);
    try {
      await this.#within(options, Promise.all([this.loading, ...topics.map((topic) => this.#known(topic) ?? KNOWN)]));
      for (const joining of joinings.values()) joining.joined = true;
    } finally {
      for (const [topic, joining] of joinings) this.#settle(client, topic, joining);
    }
  }

  /**
   * Makes a client listen on a topic with history from an earlier place: it gets what was published since, then everything from now on.
   * Rejects, and changes nothing, when that fails or the client leaves the topic meanwhile.
   */
  async join(client: HubClient<Data>, topic: string, from: From, options: SendOptions = {}): Promise<Recovery> {
    return await this.#joinAs(client, { topic, from, options, own: false });
  }

  /** The client waits for the topic from here on, while the history is loaded too: so a call that ends it is not overtaken. */
  async #joinAs(client: HubClient<Data>, { own, ...call }: Joined): Promise<Recovery> {
    const { topic } = call;
    this.#check([topic]);
    if (!this.#kept.windowOf(topic)) keepsNone(topic);
    this.#checkJoin(client, topic);
    const { topics } = this.#clients;
    const mark = topics.wait(topic, client);
    // In one step with the wait: an earlier attempt that ends now takes nothing of this one.
    if (own) (client.tagged ??= new Map<string, boolean>()).set(topic, false);
    try {
      return await this.#kept.demand(topic, (histories, window) => {
        return histories.join(client, { ...call, window, mark, subscriptions: this });
      });
    } catch (error) {
      if (topics.waits(topic, client, mark)) this.remove(client, topic);
      throw error;
    }
  }

  #checkJoin(client: HubClient<Data>, topic: string): void {
    if (!client.open) throw new MeshError("canceled", "the client has left");
    this.checkRoom(client, 1);
    if (!client.topics.has(topic)) return;
    const why = "the client listens on the topic already: unsubscribe it before you subscribe it from an earlier place";
    throw new MeshError("failed_precondition", why);
  }

  /** Settles when the other nodes know that this one has listeners on the topic; undefined if there are none. */
  announced(topic: string, options: SendOptions): Promise<unknown> | undefined {
    const known = this.interest?.want(topic);
    return known && this.#within(options, known);
  }

  /** A part of this node listens on the topic: {@link announced}. */
  hold(topic: string): Promise<unknown> | undefined {
    this.#clients.topics.hold(topic);
    return this.announced(topic, {});
  }

  /** Ends what {@link hold} began. */
  unhold(topic: string): void {
    if (this.#clients.topics.unhold(topic)) this.#left(topic);
  }

  /** Settles when the other nodes know of the topic, and this node its place in the topic's history. */
  #known(topic: string): Promise<unknown> | undefined {
    const known = this.interest?.want(topic);
    return this.#kept.use(topic, (histories) => histories.attach(topic, known)) ?? known;
  }

  #within(options: SendOptions, known: Promise<unknown>): Promise<unknown> {
    const timeoutMs = deadlineOf(options, this.#limits.timeoutMs) - performance.now();
    return unlessAborted(withTimeout(known, timeoutMs, "the subscription"), options.signal);
  }

  /** Throws `resource_exhausted` if the client cannot listen on so many topics more. */
  checkRoom(client: HubClient<Data>, more: number): void {
    const { maxTopicsPerClient } = this.#limits;
    if (client.topics.size + more <= maxTopicsPerClient) return;
    throw new MeshError("resource_exhausted", `a client listens on at most ${maxTopicsPerClient} topics`);
  }

  /**
   * Makes a client listen on the topic of its user, which is not one of its own. Settles when every send to the user that
   * starts from now on reaches the client; undefined if that holds at once. Rejects when it fails.
   */
  addUser(client: HubClient<Data>): Promise<void> | undefined {
    if (client.user === undefined || !client.open) return undefined;
    const topic = userTopic(client.user);
    this.#clients.topics.add(topic, client);
    const known = this.interest?.want(topic);
    return known && withTimeout(known, this.#limits.timeoutMs, "the subscription to the user");
  }

  /** Nothing published from now on reaches the client, which hears of it if it subscribed itself. */
  async delete(client: HubClient<Data>, topics: readonly string[]): Promise<void> {
    this.#check(topics);
    for (const topic of topics) {
      if (client.tagged?.has(topic)) client.v1?.unsubscribed(topic);
      this.remove(client, topic);
    }
  }

  /** Takes a client off all its topics, and off that of its user. */
  deleteAll(client: HubClient<Data>): void {
    for (const topic of [...client.topics]) this.remove(client, topic);
    if (client.user !== undefined) this.remove(client, userTopic(client.user));
  }

  /** The subscriptions that a call waits for: new ones, and those that another call waits for already. */
  #join(client: HubClient<Data>, topics: readonly string[], added: ReadonlySet<string>): Map<string, Joining> {
    const ofClient = this.#joining.get(client) ?? new Map<string, Joining>();
    if (added.size > 0) this.#joining.set(client, ofClient);
    for (const topic of added) ofClient.set(topic, { calls: 0, joined: false });
    const joinings = new Map<string, Joining>();
    for (const topic of topics) {
      const joining = ofClient.get(topic);
      if (joining && !joinings.has(topic)) joinings.set(topic, joining);
    }
    for (const joining of joinings.values()) joining.calls++;
    return joinings;
  }

  /** A call ended. The last one that fails undoes the subscription, unless it was undone and made again meanwhile. */
  #settle(client: HubClient<Data>, topic: string, joining: Joining): void {
    if (--joining.calls > 0) return;
    if (this.#joining.get(client)?.get(topic) !== joining) return;
    if (joining.joined) this.#settled(client, topic);
    else this.remove(client, topic);
  }

  #settled(client: HubClient<Data>, topic: string): void {
    const ofClient = this.#joining.get(client);
    if (ofClient?.delete(topic) && ofClient.size === 0) this.#joining.delete(client);
  }

  /** Takes a client off a topic. */
  remove(client: HubClient<Data>, topic: string): void {
    this.#settled(client, topic);
    if (this.#clients.topics.delete(topic, client)) this.#left(topic);
  }

  /** Nobody on this node listens on the topic any more. */
  #left(topic: string): void {
    this.interest?.unwant(topic);
    this.#kept.loaded?.left(topic);
  }

  #check(topics: readonly string[]): void {
    if (!Array.isArray(topics)) throw invalidArgument("topics are a string or an array of strings");
    for (const topic of topics) checkTopic(topic, this.#limits.maxTopicBytes);
  }
}
