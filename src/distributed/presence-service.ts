import { create } from "@bufbuild/protobuf";
import type { DistHub } from "./dist-hub.ts";
import {
  type WatchPresenceResponse,
  WatchPresenceResponse_Change as Change,
  WatchPresenceResponseSchema,
} from "../gen/meshsocket/v1/cluster_pb.ts";
import type { PresenceEvent, PresenceWatch } from "../hub/presence-watch.ts";

const SIGN_OF_LIFE_MS = 15_000;

/** The changes of a topic's members for a caller of the Cluster service, until it goes away or the hub is closed. */
export async function* watchPresence<Data>(
  hub: DistHub<Data>,
  topic: string,
  byUser: boolean,
  signal: AbortSignal,
): AsyncIterable<WatchPresenceResponse> {
  const watch = hub.watchPresence(topic, { signal, by: byUser ? "user" : "id" });
  const steps = new Steps(watch);
  try {
    for (let step = await steps.next(); step !== undefined; step = await steps.next()) yield responseOf(step);
  } finally {
    watch.close();
  }
}

/** The steps of a watch: its events, the moment from which it is ready, and signs of life. */
class Steps {
  readonly #watch: PresenceWatch;
  /** The event that is waited for, kept over a sign of life. */
  #event: Promise<Step | undefined> | undefined;
  #ready: Promise<Step> | undefined;

  constructor(watch: PresenceWatch) {
    this.#watch = watch;
    this.#ready = watch.ready.then(() => Change.READY);
    this.#ready.catch(() => {});
  }

  /** Undefined at the end. Rejects if the members cannot be found. */
  async next(): Promise<Step | undefined> {
    this.#event ??= this.#watch.next().then(({ value }) => value);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const quiet = new Promise<Step>((resolve) => {
      timer = setTimeout(() => resolve(Change.UNSPECIFIED), SIGN_OF_LIFE_MS);
    });
    const step = await Promise.race([this.#event, ...(this.#ready ? [this.#ready] : []), quiet]);
    clearTimeout(timer);
    if (step === Change.READY) this.#ready = undefined;
    else if (step !== Change.UNSPECIFIED) this.#event = undefined;
    return step;
  }
}

type Step = PresenceEvent | Change;

const CHANGES: Readonly<Record<PresenceEvent["type"], Change>> = {
  join: Change.JOIN,
  leave: Change.LEAVE,
  update: Change.UPDATE,
};

function responseOf(step: Step): WatchPresenceResponse {
  if (typeof step !== "object") return create(WatchPresenceResponseSchema, { change: step });
  const { type, id, user = "", info } = step;
  return create(WatchPresenceResponseSchema, { change: CHANGES[type], id, user, info: JSON.stringify(info) ?? "" });
}
