import type { Frame } from "./frame.ts";

/**
 * The frames that one tick sends to a socket, in order.
 *
 * Sockets that get the same frames in a tick share one burst, so that what is made of it is made once.
 */
export class Burst {
  /** Bytes on the wire. */
  readonly byteLength: number;
  /** How many frames. */
  readonly length: number;
  readonly #before: Burst | undefined;
  readonly #last: Frame;
  /** The burst that was last made of this one and another frame. */
  #longer: Burst | undefined;
  #frames: readonly Frame[] | undefined;
  #forV1: readonly Frame[] | undefined;

  private constructor(before: Burst | undefined, last: Frame) {
    this.#before = before;
    this.#last = last;
    this.byteLength = before === undefined ? last.byteLength : before.byteLength + last.byteLength;
    this.length = before === undefined ? 1 : before.length + 1;
  }

  /** A burst and one more frame; of undefined the burst of that frame alone. */
  static add(burst: Burst | undefined, frame: Frame): Burst {
    if (burst === undefined) return (frame.alone ??= new Burst(undefined, frame)) as Burst;
    const longer = burst.#longer;
    if (longer !== undefined && longer.#last === frame) return longer;
    return (burst.#longer = new Burst(burst, frame));
  }

  /** The same array for all who share the burst. */
  get frames(): readonly Frame[] {
    return (this.#frames ??= this.#before === undefined ? [this.#last] : Burst.#backwards(this).reverse());
  }

  /** {@link Burst.frames} for clients of meshsocket.v1: the same array, unless one of the messages must be escaped. */
  get forV1(): readonly Frame[] {
    return (this.#forV1 ??= this.length === 1 && this.#last.forV1 === this.#last ? this.frames : forV1(this.frames));
  }

  static #backwards(burst: Burst): Frame[] {
    const frames: Frame[] = [];
    for (let at: Burst | undefined = burst; at !== undefined; at = at.#before) frames.push(at.#last);
    return frames;
  }
}

function forV1(frames: readonly Frame[]): readonly Frame[] {
  return frames.every((frame) => frame.forV1 === frame) ? frames : frames.map((frame) => frame.forV1);
}
