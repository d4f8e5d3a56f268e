/**
 * A run of failures in a row: whether it is longer than chance makes it.
 *
 * | run                               | is too long                                          |
 * | --------------------------------- | ---------------------------------------------------- |
 * | all of one event                  | never: that event may be to blame                    |
 * | at its end nobody even answers    | from 5 of these on, or as many as chance hardly makes |
 * | somebody says that it is down     | from 5 on                                            |
 * | with answers, for less than 5 s   | never: a blip, or too little to tell                 |
 * | with answers, for 5 s and more    | from 5 on, or as many as chance hardly makes         |
 *
 * "Hardly" is one run in 10,000, at the share of failures that the runs before tell: after
 * successes alone it takes 5 failures, where half fail 14, where nine of ten do 88. Of a
 * destination that nobody knows the worst is thought, nine of ten; less with each success, and
 * the longer the run lasts.
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

/** No run that is shorter says anything. */
const LEAST_FAILURES = 5;

/** Where there are answers, a run says nothing before it has lasted as long. */
const LEAST_MS = 5_000;

/** How likely chance may make a run that is too long. */
const CHANCE = 1 / 10_000;

/** Failures for each success of a destination that nobody knows. */
const FIRST_DOUBT = 9;

/** What a success leaves of that doubt. */
const DOUBT_LEFT = 0.8;

/** How long a run lasts that halves it. */
const DOUBT_HALVED_MS = 3_000;

/** How much the latest run counts among those before it, and how long it is at most for that. */
const LATEST_SHARE = 0.2;
const LONGEST_COUNTED = 20;

/** The failures since the last success. */
export class FailureRun {
  #length = 0;
  #unanswered = 0;
  #sinceMs = 0;
  /** Whose failure was the first; `null` once others have failed as well. */
  #event: string | null = null;
  /** Failures for each success lately. */
  #mean = 0;
  #doubt = FIRST_DOUBT;
  #isExpected = false;

  /** How many. */
  get length(): number {
    return this.#length;
  }

  /** When the first of them was, if there is one. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Whether there are so many that the next ones are likely to fail as well. */
  get isLong(): boolean {
    return this.#length >= tooMany(this.#mean + this.#doubt);
  }

  /** Somebody says that the destination is down. */
  expect(): void {
    this.#isExpected = true;
  }

  /** A request has failed; `isAnswered`: the endpoint said something. */
  failed(nowMs: number, event: string, isAnswered: boolean): void {
    if (++this.#length === 1) [this.#sinceMs, this.#event] = [nowMs, event];
    else if (this.#event !== event) this.#event = null;
    this.#unanswered = isAnswered ? 0 : this.#unanswered + 1;
  }

  /** A request has succeeded, which ends the run. */
  succeeded(): void {
    const counted = Math.min(this.#length, LONGEST_COUNTED);
    this.#mean += LATEST_SHARE * (counted - this.#mean);
    this.#doubt *= DOUBT_LEFT;
    this.#isExpected = false;
    this.#length = this.#unanswered = 0;
  }

  /** Whether chance doesn't make such a run. */
  isTooLong(nowMs: number): boolean {
    if (this.#length === 0 || this.#event !== null) return false;
    if (this.#isExpected && this.#length >= LEAST_FAILURES) return true;
    if (this.#unanswered >= tooMany(this.#mean)) return true;
    const lastedMs = nowMs - this.#sinceMs;
    const doubt = this.#doubt * 2 ** (-lastedMs / DOUBT_HALVED_MS);
    return lastedMs >= LEAST_MS && this.#length >= tooMany(this.#mean + doubt);
  }
}

/** How many failures in a row chance hardly ever makes, at so many for each success. */
function tooMany(mean: number): number {
  const share = mean / (mean + 1);
  return share === 0
    ? LEAST_FAILURES
    : Math.max(LEAST_FAILURES, Math.log(CHANCE) / Math.log(share));
}
