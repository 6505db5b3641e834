import type { Sender } from "../../src/send/sender.ts";
import type { Verb, VerbCall } from "./node-control.ts";

/** The verbs of a hub in another process. A call that rejected there rejects here with a MeshError of the same code. */
export class RemoteHub implements Pick<Sender, Verb> {
  readonly #call: (call: VerbCall) => Promise<unknown>;

  constructor(call: (call: VerbCall) => Promise<unknown>) {
    this.#call = call;
  }

  emit(...args: Parameters<Sender["emit"]>): ReturnType<Sender["emit"]> {
    return this.#call(["emit", ...args]) as ReturnType<Sender["emit"]>;
  }

  online(...args: Parameters<Sender["online"]>): ReturnType<Sender["online"]> {
    return this.#call(["online", ...args]) as ReturnType<Sender["online"]>;
  }

  broadcast(...args: Parameters<Sender["broadcast"]>): ReturnType<Sender["broadcast"]> {
    return this.#call(["broadcast", ...args]) as ReturnType<Sender["broadcast"]>;
  }

  publish(...args: Parameters<Sender["publish"]>): ReturnType<Sender["publish"]> {
    return this.#call(["publish", ...args]) as ReturnType<Sender["publish"]>;
  }

  position(...args: Parameters<Sender["position"]>): ReturnType<Sender["position"]> {
    return this.#call(["position", ...args]) as ReturnType<Sender["position"]>;
  }

  members(...args: Parameters<Sender["members"]>): ReturnType<Sender["members"]> {
    return this.#call(["members", ...args]) as ReturnType<Sender["members"]>;
  }

  count(...args: Parameters<Sender["count"]>): ReturnType<Sender["count"]> {
    return this.#call(["count", ...args]) as ReturnType<Sender["count"]>;
  }

  request(...args: Parameters<Sender["request"]>): ReturnType<Sender["request"]> {
    return this.#call(["request", ...args]) as ReturnType<Sender["request"]>;
  }

  subscribe(...args: Parameters<Sender["subscribe"]>): ReturnType<Sender["subscribe"]> {
    return this.#call(["subscribe", ...args]) as ReturnType<Sender["subscribe"]>;
  }

  unsubscribe(...args: Parameters<Sender["unsubscribe"]>): ReturnType<Sender["unsubscribe"]> {
    return this.#call(["unsubscribe", ...args]) as ReturnType<Sender["unsubscribe"]>;
  }

  disconnect(...args: Parameters<Sender["disconnect"]>): ReturnType<Sender["disconnect"]> {
    return this.#call(["disconnect", ...args]) as ReturnType<Sender["disconnect"]>;
  }
}
