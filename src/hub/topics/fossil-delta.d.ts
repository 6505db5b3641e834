/** The part of the optional package `fossil-delta` that a hub uses. */
declare module "fossil-delta" {
  /** How `target` differs from `source`. */
  export function createDelta(source: Uint8Array, target: Uint8Array): Uint8Array;
}
