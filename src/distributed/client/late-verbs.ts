import type { ClusterVerbs, PresenceStep } from "./cluster-verbs.ts";
import type { Frame } from "../../send/frame.ts";
import { LateUserVerbs } from "./late-user-verbs.ts";
import type { Position } from "../../send/position.ts";
import type { UserVerbs } from "../../send/user-verbs.ts";
import type {
  Count,
  Delivery,
  EmitOptions,
  Except,
  HistoryPage,
  HistoryReadOptions,
  Members,
  MembersOptions,
  SendOptions,
  SendToTopicOptions,
} from "../../send/verbs.ts";

/** Verbs whose code is loaded by the first call: with Connect and Protobuf it is five times as large as all else of a DistClient. */
export class LateVerbs implements ClusterVerbs {
  readonly user: UserVerbs = new LateUserVerbs(async () => (await this.#loaded()).user);
  readonly #load: () => Promise<ClusterVerbs>;
  #verbs: Promise<ClusterVerbs> | undefined;
  #closed = false;

  /** `load` is called again if it rejected. */
  constructor(load: () => Promise<ClusterVerbs>) {
    this.#load = load;
  }

  async emit(id: string, frame: Frame, options: EmitOptions): Promise<boolean> {
    return await (await this.#loaded()).emit(id, frame, options);
  }

  async online(id: string, options: SendOptions): Promise<boolean> {
    return await (await this.#loaded()).online(id, options);
  }

  async broadcast(frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    return await (await this.#loaded()).broadcast(frame, except, options);
  }

  async publish(topic: string, frame: Frame, except: Except, options: SendToTopicOptions): Promise<Delivery> {
    return await (await this.#loaded()).publish(topic, frame, except, options);
  }

  async members(topic: string, options: MembersOptions): Promise<Members> {
    return await (await this.#loaded()).members(topic, options);
  }

  async count(topic: string, options: SendOptions): Promise<Count> {
    return await (await this.#loaded()).count(topic, options);
  }

  async request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    return await (await this.#loaded()).request(id, frame, options);
  }

  async subscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return await (await this.#loaded()).subscribe(id, topic, options);
  }

  async unsubscribe(id: string, topic: string, options: SendOptions): Promise<boolean> {
    return await (await this.#loaded()).unsubscribe(id, topic, options);
  }

  async disconnect(id: string, code: number, reason: string, options: SendOptions): Promise<boolean> {
    return await (await this.#loaded()).disconnect(id, code, reason, options);
  }

  async history(topic: string, options: HistoryReadOptions): Promise<HistoryPage> {
    return await (await this.#loaded()).history(topic, options);
  }

  async position(topic: string, options: SendOptions): Promise<Position> {
    return await (await this.#loaded()).position(topic, options);
  }

  async nodes(options: SendOptions): Promise<string[]> {
    return await (await this.#loaded()).nodes(options);
  }

  async *watchPresence(topic: string, signal: AbortSignal): AsyncIterable<PresenceStep> {
    yield* (await this.#loaded()).watchPresence(topic, signal);
  }

  close(): void {
    this.#closed = true;
    this.#verbs?.then((verbs) => verbs.close(), () => {});
  }

  #loaded(): Promise<ClusterVerbs> {
    return (this.#verbs ??= this.#start());
  }

  async #start(): Promise<ClusterVerbs> {
    try {
      const verbs = await this.#load();
      if (this.#closed) verbs.close();
      return verbs;
    } catch (error) {
      this.#verbs = undefined;
      throw error;
    }
  }
}
