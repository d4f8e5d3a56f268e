/**
 * How many requests may be in flight to one destination: grows while answers come as fast as
 * before, shrinks when there are too many.
 *
 * | state           | outcome of a request                           | next state              |
 * | --------------- | ---------------------------------------------- | ----------------------- |
 * | starting, at 16 | success, as fast as before                     | starting, one more      |
 * | steady          | success, as fast as before                     | one more for a round    |
 * | either          | success, slower                                | the same                |
 * | either          | overload, first of its round                   | steady, half as many    |
 * | either          | another of its round; none succeeded since     | the same                |
 * | steady          | success, after 5 of these or more              | starting, to the uncut  |
 * | steady          | fewer at once have turned out not to help      | starting, to the most   |
 * | either          | overload, and fewer at once don't help         | the same                |
 *
 * So an outage cuts it once, and what it was before is back as soon as it is over. Whether fewer at
 * once help {@linkcode Tolerance} says.
 *
 * "As fast as before" is within twice the best time of the last minute and 100 ms. A round is the
 * requests that begin between two cuts. One is always allowed; a fixed concurrency stays as it is.
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

import { Tolerance } from "./tolerance.ts";

/** Concurrency of a destination that nobody has answered for yet. */
const FIRST_LIMIT = 16;

/** An answer is as fast as before within twice the best time and this. */
const SLACK_MS = 100;

/** How long the best time counts. */
const BEST_MS = 60_000;

/** Overloads without a success in between that are an outage, and not too many requests. */
const OUTAGE = 5;

/** How it is limited. */
export interface ConcurrencyLimits {
  /** Where growing ends. */
  readonly most: number;
  /** So many, whatever comes; `undefined` to adapt. */
  readonly fixed: number | undefined;
}

/** The concurrency of one destination. */
export class Concurrency {
  readonly #limits: ConcurrencyLimits;
  #limit: number;
  /** Up to this it is starting. */
  #startsUpTo = Infinity;
  /** What it was before the last cut, and the most it has been since fewer didn't help. */
  #uncut = 0;
  #peak = 0;
  readonly #tolerance = new Tolerance();
  /** Overloads since something succeeded. */
  #overloads = 0;
  #cutAtMs = -Infinity;
  #bestMs = Infinity;
  #bestAtMs = -Infinity;

  /**
   * @param limits As they are at each moment.
   */
  constructor(limits: ConcurrencyLimits) {
    this.#limits = limits;
    this.#limit = Math.min(FIRST_LIMIT, limits.most);
  }

  /** Requests in flight at most, for now. */
  get limit(): number {
    const { fixed, most } = this.#limits;
    return fixed ?? Math.max(1, Math.floor(Math.min(this.#limit, most)));
  }

  /** The best time of an answer lately, ms; `Infinity` when there is none. */
  get bestMs(): number {
    return this.#bestMs;
  }

  /**
   * An answer came after `ms`, and all is well.
   *
   * @returns Whether it was as fast as before.
   */
  succeeded(ms: number, nowMs: number): boolean {
    if (ms <= this.#bestMs || nowMs - this.#bestAtMs > BEST_MS) {
      this.#bestMs = ms;
      this.#bestAtMs = nowMs;
    }
    if (this.#overloads >= OUTAGE) this.#startsUpTo = this.#uncut;
    this.#overloads = 0;
    this.#watch(false, nowMs);
    if (ms > 2 * this.#bestMs + SLACK_MS) return false;
    if (this.#limits.fixed !== undefined) return true;
    const step = this.#limit < this.#startsUpTo ? 1 : 1 / this.#limit;
    this.#limit = Math.min(this.#limits.most, this.#limit + step);
    return true;
  }

  /** The endpoint has too much to do, which it took `ms` to say. */
  overloaded(ms: number, nowMs: number): void {
    this.#watch(true, nowMs);
    const beganBeforeCut = nowMs - this.#cutAtMs < ms;
    if (this.#limits.fixed !== undefined || beganBeforeCut || this.#overloads++ > 0) return;
    if (this.#tolerance.isTolerating) return;
    this.#cutAtMs = nowMs;
    this.#uncut = this.#limit;
    this.#startsUpTo = 0;
    this.#limit = Math.max(1, this.#limit / 2);
  }

  #watch(isOverload: boolean, nowMs: number): void {
    this.#peak = Math.max(this.#peak, this.#limit);
    if (!this.#tolerance.ended(isOverload, this.limit, nowMs)) return;
    this.#startsUpTo = this.#peak;
    this.#peak = 0;
  }
}
