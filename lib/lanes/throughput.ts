/**
 * At which rate a destination is known to work: the requests a second that got through, at the best
 * of the last minutes.
 *
 * | what happens                                      | next                               |
 * | ------------------------------------------------- | ---------------------------------- |
 * | a success, less than 1 s after the count began    | one more                           |
 * | a success, later                                  | that count a second, if it is more |
 * |                                                   | than is known; a new count         |
 * | a minute goes by in which it gets through         | half of what is known              |
 * | it recovers from an outage                        | a new count; what is known stays   |
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

const COUNT_MS = 1_000;
const HALVED_MS = 60_000;

/** The throughput of one destination. */
export class Throughput {
  #perSecond = 0;
  #count = 0;
  #sinceMs: number;

  /** Nothing known. */
  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Requests a second that are known to get through; 0 for nothing known. */
  get perSecond(): number {
    return this.#perSecond;
  }

  /** A request got through. */
  succeeded(nowMs: number): void {
    this.#count++;
    const ms = nowMs - this.#sinceMs;
    if (ms < COUNT_MS) return;
    const before = this.#perSecond * 2 ** (-ms / HALVED_MS);
    this.#perSecond = Math.max(before, this.#count * 1_000 / ms);
    this.restart(nowMs);
  }

  /** What has been counted, and the time it took, say nothing. */
  restart(nowMs: number): void {
    this.#count = 0;
    this.#sinceMs = nowMs;
  }
}
