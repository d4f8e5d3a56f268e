/**
 * A token bucket: keeps requests to a rate, which may change.
 *
 * | tokens      | what happens          | next                                                   |
 * | ----------- | --------------------- | ------------------------------------------------------ |
 * | any         | time goes by          | more, by the rate; a tenth of a second's at most, or 1 |
 * | 1 or more   | a request begins      | one less                                               |
 * | less than 1 | a request is to begin | it waits until there is 1                              |
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

/** How much of a second's requests may go at once. */
const BURST_SHARE = 0.1;

/** The rate may change meanwhile, so a long time is made up of steps this long. */
const STEP_MS = 1_000;

/** More time than this is not made up for: any bucket is full by then. */
const LONGEST_FILL_MS = 100_000;

/** Tokens that come in at a rate, and are spent one a request. */
export class TokenBucket {
  #tokens = 1;
  #atMs: number;
  readonly #ratePerSecond: (nowMs: number) => number;

  /** With one token. */
  constructor(nowMs: number, ratePerSecond: (nowMs: number) => number) {
    this.#atMs = nowMs;
    this.#ratePerSecond = ratePerSecond;
  }

  /** When there is a token, at `nowMs` or later. */
  readyMs(nowMs: number): number {
    this.#fill(nowMs);
    return this.#tokens >= 1
      ? nowMs
      : nowMs + (1 - this.#tokens) * 1_000 / this.#ratePerSecond(nowMs);
  }

  /** A request begins. */
  spend(nowMs: number): void {
    this.#fill(nowMs);
    this.#tokens--;
  }

  #fill(nowMs: number): void {
    while (this.#atMs < nowMs) {
      const stepMs = Math.min(nowMs - this.#atMs, STEP_MS);
      const rate = this.#ratePerSecond(this.#atMs);
      this.#tokens = Math.min(
        Math.max(1, rate * BURST_SHARE),
        this.#tokens + rate * stepMs / 1_000,
      );
      this.#atMs += stepMs;
      if (nowMs - this.#atMs > LONGEST_FILL_MS) this.#atMs = nowMs - LONGEST_FILL_MS;
    }
  }
}
