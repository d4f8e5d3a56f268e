/**
 * Which folder below `defer/` an event waits in: `<destination>/<bucket>`.
 *
 * A bucket is named after the minute its events are due in, so that sorting names sorts times and a
 * bucket is not looked at before its minute; and after its maker, so that consumers need not agree
 * on anything. It is full at some 4,096 names, so that no listing is ever long.
 *
 * @module
 */

/** Names after which a bucket is full. */
export const BUCKET_SIZE = 4_096;

/** Events due within this time share a bucket. */
export const BUCKET_WINDOW_MS = 60_000;

/** Buckets remembered; what is forgotten is merely left less than full. */
const MOST_REMEMBERED = 4_096;

/**
 * Digits of a time in base 36: enough until the year 5188, and all of one length, so that names
 * sort.
 */
const TIME_DIGITS = 9;

const NAME = /^([0-9a-z]{9})-[0-9a-z-]{1,22}$/;
const ANY_NAME = /^[0-9a-z-]{1,32}$/;

/**
 * When the first event of a bucket may be due, Unix ms, from its name; `undefined` when it isn't a
 * bucket's. Others' buckets may be due any time.
 */
export function bucketTimeMs(name: string): number | undefined {
  const match = NAME.exec(name);
  if (match) return parseInt(match[1]!, 36);
  return ANY_NAME.test(name) ? 0 : undefined;
}

/** The buckets one consumer fills. */
export class Buckets {
  readonly #maker: string;
  readonly #filling = new Map<string, { name: string; count: number }>();
  #made = 0;

  /** @param maker Unique to this consumer, `[0-9a-z]`. */
  constructor(maker: string) {
    this.#maker = maker;
  }

  /** The bucket for one more event of a destination that is due at `dueMs`, Unix ms. */
  next(destination: string, dueMs: number): string {
    const startMs = Math.max(0, Math.floor(dueMs / BUCKET_WINDOW_MS) * BUCKET_WINDOW_MS);
    const key = `${destination}/${startMs}`;
    let bucket = this.#filling.get(key);
    if (!bucket || bucket.count >= BUCKET_SIZE) {
      if (this.#filling.size >= MOST_REMEMBERED) this.#filling.clear();
      const start = startMs.toString(36).padStart(TIME_DIGITS, "0");
      bucket = { name: `${start}-${this.#maker}-${(this.#made++).toString(36)}`, count: 0 };
      this.#filling.set(key, bucket);
    }
    bucket.count++;
    return bucket.name;
  }
}
