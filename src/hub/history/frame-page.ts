import { Burst } from "../../send/burst.ts";
import type { Frame } from "../../send/frame.ts";
import type { Position } from "../../send/position.ts";

/**
 * Messages of a topic as they go to clients, in order; they may be fewer than there are.
 *
 * Clients at one place share the slices in which they get them, so that each slice is made once, and its bytes too.
 */
export class FramePage {
  /** The end of the topic when it was read. */
  readonly end: Position;
  readonly frames: readonly Frame[];
  /** The offset of the first frame; the next one if there is none. */
  readonly first: number;
  /** Whether no frame is missing between others. */
  readonly #whole: boolean;
  readonly #slices = new Map<string, PageSlice>();

  constructor(end: Position, frames: readonly Frame[]) {
    this.end = end;
    this.frames = frames;
    this.first = frames[0]?.place?.offset ?? end.offset + 1;
    this.#whole = frames.every(({ place }, index) => place?.offset === this.first + index);
  }

  /** The index of the first frame after a place; undefined if one is missing between, or the place is not one of this epoch. */
  indexAfter({ epoch, offset }: Position): number | undefined {
    const index = offset + 1 - this.first;
    if (epoch !== this.end.epoch || offset > this.end.offset || !this.#whole || index < 0) return undefined;
    return index < this.frames.length || offset === this.end.offset ? Math.min(index, this.frames.length) : undefined;
  }

  /** The frames from an index on that go out at once: so many bytes, or one frame. */
  slice(from: number, maxBytes: number): PageSlice {
    const key = `${from}/${maxBytes}`;
    let slice = this.#slices.get(key);
    if (slice) return slice;
    slice = this.#cut(from, maxBytes);
    // Clients at many places of one page are few at each.
    if (this.#slices.size < MAX_SLICES) this.#slices.set(key, slice);
    return slice;
  }

  #cut(from: number, maxBytes: number): PageSlice {
    let bytes = 0;
    let to = from;
    for (; to < this.frames.length; to++) {
      const more = this.frames[to]?.byteLength ?? 0;
      if (to > from && bytes + more > maxBytes) break;
      bytes += more;
    }
    return new PageSlice(this.frames.slice(from, to), to, bytes);
  }
}

/** Frames that a client gets at once. */
export class PageSlice {
  readonly frames: readonly Frame[];
  /** The index in the page after them. */
  readonly to: number;
  readonly bytes: number;
  #bare: Burst | undefined;
  #tagged: Burst | undefined;

  constructor(frames: readonly Frame[], to: number, bytes: number) {
    this.frames = frames;
    this.to = to;
    this.bytes = bytes;
  }

  /** The frames as one burst, the same for all clients; `mark` is called with each frame before its first. */
  burst(tagged: string | undefined, mark: (frame: Frame) => void): Burst | undefined {
    if (tagged === undefined) return (this.#bare ??= burstOf(this.frames, mark));
    return (this.#tagged ??= burstOf(this.frames, mark, (frame) => frame.tag(tagged)));
  }
}

function burstOf(
  frames: readonly Frame[],
  mark: (frame: Frame) => void,
  form: (frame: Frame) => Frame = (frame) => frame,
): Burst | undefined {
  let burst: Burst | undefined;
  for (const frame of frames) {
    mark(frame);
    burst = Burst.add(burst, form(frame));
  }
  return burst;
}

/** Slices of a page that are kept. */
const MAX_SLICES = 64;
