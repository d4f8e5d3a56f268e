/**
 * Whether sending fewer requests at once helps a destination that says it has too much to do, or is
 * answered with time-outs. Where it doesn't, as behind a balancer one of whose backends always
 * answers 503, fewer at once only delay what would get through.
 *
 * | state     | seen                                                        | next state      |
 * | --------- | ----------------------------------------------------------- | --------------- |
 * | watching  | of 48 outcomes with at most 4 at once at least half as many | tolerating that |
 * |           | were overloads as with more at once, and 3                  | share           |
 * | watching  | fewer overloads                                             | watching        |
 * | tolerating | of 32 outcomes 25 % more were overloads than that share    | watching        |
 * | tolerating | a minute has gone by                                       | watching        |
 *
 * Outcomes are successes and overloads; older ones count half.
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

/** So many requests at once are few. */
const FEW = 4;

/** Outcomes to compare: with few at once, and with more. */
const LEAST_WITH_FEW = 48;
const LEAST_WITH_MORE = 16;

/** Overloads with few at once that chance hardly makes. */
const LEAST_OVERLOADS = 3;

/** Few at once help if they leave less than this part of the overloads. */
const HELPS_BELOW = 0.5;

/** Outcomes that tell whether it has got worse, and how much worse that is. */
const LEAST_WHILE_TOLERATING = 32;
const WORSE_BY = 0.25;

/** When it is watched again. */
const TOLERATED_MS = 60_000;

/** When older outcomes begin to count half. */
const HALVED_FROM = 128;

/** Counts overloads among outcomes. */
class Share {
  outcomes = 0;
  #overloads = 0;

  get overloads(): number {
    return this.#overloads;
  }

  get value(): number {
    return this.outcomes === 0 ? 0 : this.#overloads / this.outcomes;
  }

  add(isOverload: boolean): void {
    this.outcomes++;
    if (isOverload) this.#overloads++;
    if (this.outcomes < HALVED_FROM) return;
    this.outcomes /= 2;
    this.#overloads /= 2;
  }
}

/** What is known of one destination's overloads. */
export class Tolerance {
  #withFew = new Share();
  #withMore = new Share();
  /** The share that is tolerated, and since when; `undefined` while watching. */
  #tolerated: { readonly share: number; readonly sinceMs: number } | undefined;

  /** Whether overloads are no reason to send fewer at once. */
  get isTolerating(): boolean {
    return this.#tolerated !== undefined;
  }

  /**
   * A request has ended.
   *
   * @param limit How many were allowed at once.
   * @returns Whether overloads are tolerated from now on.
   */
  ended(isOverload: boolean, limit: number, nowMs: number): boolean {
    if (this.#tolerated) {
      this.#withMore.add(isOverload);
      if (this.#isOver(nowMs, this.#tolerated)) this.#watch(undefined);
      return false;
    }
    (limit <= FEW ? this.#withFew : this.#withMore).add(isOverload);
    const few = this.#withFew;
    if (few.outcomes < LEAST_WITH_FEW || this.#withMore.outcomes < LEAST_WITH_MORE) return false;
    const helps = few.value < HELPS_BELOW * this.#withMore.value;
    if (helps || few.overloads < LEAST_OVERLOADS) {
      this.#withFew = new Share();
      return false;
    }
    this.#watch({ share: few.value, sinceMs: nowMs });
    return true;
  }

  #isOver(nowMs: number, { share, sinceMs }: { share: number; sinceMs: number }): boolean {
    const { outcomes, value } = this.#withMore;
    const isWorse = outcomes >= LEAST_WHILE_TOLERATING && value > share + WORSE_BY;
    return isWorse || nowMs - sinceMs >= TOLERATED_MS;
  }

  #watch(tolerated: { readonly share: number; readonly sinceMs: number } | undefined): void {
    this.#tolerated = tolerated;
    this.#withFew = new Share();
    this.#withMore = new Share();
  }
}
