import { abortable, deadlineOf } from "../send/deadline.ts";
import type { DistClientDirectOptions } from "./dist-client.ts";
import { createFetchTransport } from "../rpc/fetch-transport.ts";
import type { Frame } from "../send/frame.ts";
import { broadcastItem, publishItem } from "../link/items.ts";
import { type Limits, rpcBytes } from "../base/limits.ts";
import { Links } from "../link/links.ts";
import type { NodeTransport } from "../link/node-transport.ts";
import { Reach } from "../cluster/remote.ts";
import { membersOf } from "../send/members.ts";
import { replyOf } from "../cluster/request-table.ts";
import { Router } from "../cluster/router.ts";
import type { Storage } from "../storage/storage.ts";
import { TokenSource } from "../rpc/token.ts";
import type { Count, Delivery, Except, Members, MembersOptions, SendOptions, Verbs } from "../send/verbs.ts";

/** The verbs straight to the owners, found in the storage. */
export class DirectVerbs implements Verbs {
  readonly #storage: Storage;
  readonly #links: Links;
  readonly #reach: Reach;
  readonly #timeoutMs: number;

  constructor(options: DistClientDirectOptions, limits: Readonly<Limits>) {
    const { storage, secret } = options;
    this.#storage = storage;
    this.#timeoutMs = limits.timeoutMs;
    this.#links = new Links({
      limits,
      tokens: secret === undefined ? undefined : new TokenSource({ secret }),
      transport: options.transport ?? fetchTransports(options, limits),
      lines: "unary",
    });
    const { maxRoutes } = limits;
    const router = new Router({ storage, maxRoutes, links: this.#links });
    this.#reach = new Reach(router, this.#links);
  }

  emit(id: string, frame: Frame, options: SendOptions): Promise<boolean> {
    return this.#within(options, (deadlineMs) => this.#reach.emit(id, frame, deadlineMs));
  }

  online(id: string, options: SendOptions): Promise<boolean> {
    return this.#within(options, (deadlineMs) => this.#reach.online(id, deadlineMs));
  }

  broadcast(frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    return this.#within(options, async (deadlineMs) => {
      const nodes = await this.#storage.living();
      return await this.#reach.toAll(nodes, broadcastItem(frame, except), deadlineMs);
    });
  }

  publish(topic: string, frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    return this.#within(options, async (deadlineMs) => {
      const nodes = await this.#storage.subscribers(topic);
      return await this.#reach.toAll(nodes, publishItem(topic, frame, except), deadlineMs, () => {});
    });
  }

  members(topic: string, options: MembersOptions): Promise<Members> {
    return this.#within(options, async (deadlineMs) => {
      const nodes = await this.#storage.subscribers(topic);
      const members = await this.#reach.members(nodes, topic, !options.info, deadlineMs);
      return membersOf(members.ids, members.infos, members.unreachable, options);
    });
  }

  count(topic: string, options: SendOptions): Promise<Count> {
    return this.#within(options, async (deadlineMs) => {
      return await this.#reach.count(await this.#storage.subscribers(topic), topic, deadlineMs);
    });
  }

  request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    return this.#within(options, async (deadlineMs) => {
      return replyOf(await this.#reach.request(id, frame, 0n, deadlineMs), deadlineMs);
    });
  }

  subscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return this.#within(options, (deadlineMs) => this.#reach.subscription(id, topic, true, deadlineMs));
  }

  unsubscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return this.#within(options, (deadlineMs) => this.#reach.subscription(id, topic, false, deadlineMs));
  }

  disconnect(id: string, code: number, reason: string, options: SendOptions): Promise<boolean> {
    return this.#within(options, (deadlineMs) => this.#reach.disconnect(id, code, reason, deadlineMs));
  }

  async nodes(options: SendOptions): Promise<string[]> {
    return await this.#within(options, async () => (await this.#storage.living()).map(({ host }) => host));
  }

  close(): void {
    this.#links.close();
  }

  async #within<Result>(options: SendOptions, call: (deadlineMs: number) => Promise<Result>): Promise<Result> {
    return await abortable(call(deadlineOf(options, this.#timeoutMs)), options.signal);
  }
}

function fetchTransports(options: DistClientDirectOptions, limits: Readonly<Limits>): (host: string) => NodeTransport {
  const scheme = options.tls ? "https" : "http";
  return (host) =>
    createFetchTransport({
      baseUrl: `${scheme}://${host}`,
      ...rpcBytes(limits),
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
}
