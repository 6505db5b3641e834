/** A place in the history of one topic. */
export interface Position {
  /** Names one unbroken run of offsets. Another epoch says that nothing is known about what was in between. */
  readonly epoch: string;
  /** The offset of the last message before this place; 0: before the first. */
  readonly offset: number;
}
