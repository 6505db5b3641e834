import type { Frame } from "../../send/frame.ts";
import type { UserVerbs } from "../../send/user-verbs.ts";
import type { Delivery, Except, Members, MembersOptions, SendOptions } from "../../send/verbs.ts";

/** The verbs for a user, loaded by the first call. */
export class LateUserVerbs implements UserVerbs {
  readonly #loaded: () => Promise<UserVerbs>;

  constructor(loaded: () => Promise<UserVerbs>) {
    this.#loaded = loaded;
  }

  async emit(user: string, frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    return await (await this.#loaded()).emit(user, frame, except, options);
  }

  async online(user: string, options: SendOptions): Promise<boolean> {
    return await (await this.#loaded()).online(user, options);
  }

  async clients(user: string, options: MembersOptions): Promise<Members> {
    return await (await this.#loaded()).clients(user, options);
  }

  async request(user: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    return await (await this.#loaded()).request(user, frame, options);
  }

  async subscribe(user: string, topic: string, options: SendOptions): Promise<number> {
    return await (await this.#loaded()).subscribe(user, topic, options);
  }

  async unsubscribe(user: string, topic: string, options: SendOptions): Promise<number> {
    return await (await this.#loaded()).unsubscribe(user, topic, options);
  }

  async disconnect(user: string, code: number, reason: string, options: SendOptions): Promise<number> {
    return await (await this.#loaded()).disconnect(user, code, reason, options);
  }
}
