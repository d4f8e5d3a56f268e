/**
 * How much may wait in a queue, and what producers hear when as much does.
 *
 * @module
 */

/** How much may wait in a queue. */
export interface QueueLimits {
  /** Events. @default {undefined} (no limit) */
  readonly maxEvents?: number | undefined;
  /** Bytes of their files. @default {undefined} (no limit) */
  readonly maxBytes?: number | undefined;
  /** Bytes that must stay free on its disk. @default {undefined} (no limit) */
  readonly minFreeBytes?: number | undefined;
}

/** As much waits as may: the event is not on the queue. Later it may be taken. */
export class QueueFullError extends Error {
  /** The class, for `catch`. */
  override readonly name = "QueueFullError";
  /** As errors of the disk have one. */
  readonly code = "EQUEUEFULL";
  /** The limit that is reached. */
  readonly limit: keyof QueueLimits;

  /** Whether what waits was counted some time ago, so that a new count may say otherwise. */
  get isEstimate(): boolean {
    return this.limit !== "minFreeBytes";
  }

  /** Name the limit, and what it is at. */
  constructor(limit: keyof QueueLimits, message: string) {
    super(message);
    this.limit = limit;
  }
}
