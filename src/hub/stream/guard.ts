import { MeshError } from "../../base/error.ts";
import { unref } from "../../base/tick.ts";
import { Frame } from "../../send/frame.ts";
import { readEntry } from "../../wire/stream.ts";
import type { Payload } from "../../wire/v1.ts";
import type { Ear } from "../history/ear.ts";
import { endKey, failEntry } from "./producer.ts";
import type { StreamsNode } from "./streams-node.ts";

/** Fails a stream that has readers on this node when the node of its producer died: a reader never waits for what cannot come. */
export class Guard implements Ear {
  readonly hearsKept = true;
  readonly #topic: string;
  readonly #node: StreamsNode;
  readonly #produces: (run: string) => boolean;
  readonly #unhear: Promise<() => void>;
  readonly #off: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  /** The run that goes on, and the life of the node of its producer. */
  #open: { readonly run: string; readonly life: string } | undefined;
  /** The run that was found without a living producer at the last look. */
  #missed: string | undefined;
  #live = false;

  /** `produces` says whether a run is one of this node. */
  constructor(topic: string, node: StreamsNode, produces: (run: string) => boolean) {
    this.#topic = topic;
    this.#node = node;
    this.#produces = produces;
    this.#unhear = node.hear(topic, this);
    this.#unhear.catch(() => {});
    this.#off = node.state.events.on("nodeleave", () => this.#look(true));
    this.#timer = setInterval(() => this.#look(false), Math.max(MIN_LOOK_MS, node.registry.leaseMs / 2));
    unref(this.#timer);
  }

  message(data: Payload): void {
    const entry = readEntry(data);
    if (entry?.type === "begin") this.#open = entry;
    else if (entry && entry.type !== "stop" && entry.type !== "part" && entry.run === this.#open?.run) {
      this.#open = undefined;
    }
  }

  live(): void {
    this.#live = true;
    this.#look(this.#node.registry.leaseMs === 0);
  }

  gap(): void {}

  closed(): void {
    this.close();
  }

  close(): void {
    this.#off();
    clearInterval(this.#timer);
    this.#unhear.then((unhear) => unhear(), () => {});
  }

  /** A node that this one has not met may have joined a moment ago: only one that was missed twice, or left, is dead. */
  #look(certain: boolean): void {
    const open = this.#open;
    if (!open || !this.#live) return;
    if (this.#produces(open.run) || this.#node.registry.lives(open.life)) return void (this.#missed = undefined);
    if (certain || this.#missed === open.run) this.#fail(open.run);
    this.#missed = open.run;
  }

  #fail(run: string): void {
    const entry = failEntry(run, new MeshError("unavailable", "the node of the stream's producer died"));
    this.#node.verbs.publish(this.#topic, Frame.of(entry), undefined, { key: endKey(run) }).catch(() => {});
  }
}

const MIN_LOOK_MS = 1_000;
