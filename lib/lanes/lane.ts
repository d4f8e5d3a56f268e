/**
 * A lane: what a consumer knows of one destination, and whether one more request may go there now.
 *
 * Made of mechanisms, each of which alone can say no, and each with a table of its own:
 *
 * | mechanism               | says no                                                     |
 * | ----------------------- | ----------------------------------------------------------- |
 * | {@linkcode Breaker}     | while nothing gets through, but to a probe now and then     |
 * | {@linkcode Throttle}    | to many more than are accepted                              |
 * | {@linkcode SlowStart}   | to more than a growing rate after it was down               |
 * | {@linkcode Concurrency} | to more in flight than the destination takes                |
 * | {@linkcode TokenBucket} | to more a second than the operator wants                    |
 *
 * And two words from outside: until when the endpoint asked to be left alone, and whether an
 * operator holds it. {@linkcode Health} never says no: it tells people.
 *
 * | outcome of a request | breaker        | throttle    | slow start            | concurrency |
 * | -------------------- | -------------- | ----------- | --------------------- | ----------- |
 * | success              | closes         | 10 credits  | begins, if it closed  | may grow    |
 * | success, but slower  | closes         | 10 credits  | stops                 | the same    |
 * | overload, silence    | a failure more | none        | stops                 | may shrink  |
 * | failure, unreachable | a failure more | none        | the same              | the same    |
 * | nothing              | the next probe | gets 1 back | the same              | the same    |
 *
 * Pure: time and chance are arguments, all times in ms of the monotonic clock.
 *
 * @module
 */

import { Breaker, type BreakerChange, type OpenBreaker } from "./breaker.ts";
import { Concurrency } from "./concurrency.ts";
import { Health, type HealthChange } from "./health.ts";
import { SlowStart } from "./slow_start.ts";
import { Throttle } from "./throttle.ts";
import { Throughput } from "./throughput.ts";
import { TokenBucket } from "./token_bucket.ts";
import type { Verdict } from "./verdict.ts";

export type { Verdict } from "./verdict.ts";

/** A change worth a line in the log. */
export type LaneChange = BreakerChange | HealthChange;

/** How a lane is limited. */
export interface LaneLimits {
  /** Requests in flight at most. */
  readonly most: number;
  /** Requests in flight, always; `undefined` to adapt. */
  readonly fixed: number | undefined;
  /** Requests a second at most; `Infinity` for no limit. */
  readonly ratePerSecond: number;
  /** Those of one destination, where they differ. */
  of?(destination: string): LaneLimits;
}

/**
 * Why a lane is closed off, or begins slowly: what must be known of it for ever, lest it be sent
 * to, or too much.
 */
export interface ClosedOff {
  /** An operator holds it. */
  readonly isHeld: boolean;
  /** Until when the endpoint asked to be left alone, monotonic ms. */
  readonly untilMs: number;
  /** It is down. */
  readonly open: OpenBreaker | undefined;
  /** Since when it was away that has not come back with all it takes yet, monotonic ms. */
  readonly awaySinceMs: number | undefined;
}

/** No answer for this long, or for this many times the best time, is long. */
const LONG_MS = 1_000;
const LONG_TIMES_BEST = 4;

/** One destination. */
export class Lane {
  readonly #breaker: Breaker;
  readonly #concurrency: Concurrency;
  readonly #throttle: Throttle;
  readonly #throughput: Throughput;
  readonly #health = new Health();
  readonly #limits: LaneLimits;
  readonly #rate: TokenBucket;
  #slowStart: SlowStart | undefined;
  /** Since when it was away that the slow start is after, monotonic ms, and for how long. */
  #slowSinceMs = 0;
  #slowAfterMs = 0;
  /** Since when somebody says that it was away, while nothing has got through since. */
  #toldSinceMs: number | undefined;
  #untilMs: number;
  #inFlight = 0;
  #succeededAtMs = -Infinity;
  /** Held by an operator: nothing is sent. */
  isHeld: boolean;

  /**
   * A lane that knows nothing yet, or only why it is closed off.
   *
   * @param nowMs Monotonic ms.
   */
  constructor(limits: LaneLimits, nowMs: number, closedOff?: ClosedOff) {
    this.#limits = limits;
    this.#breaker = new Breaker(closedOff?.open);
    this.#concurrency = new Concurrency(limits);
    this.#throttle = new Throttle(nowMs, this.#concurrency.limit);
    this.#throughput = new Throughput(nowMs);
    this.#toldSinceMs = closedOff?.awaySinceMs;
    this.#rate = new TokenBucket(nowMs, () => limits.ratePerSecond);
    this.#untilMs = closedOff?.untilMs ?? 0;
    this.isHeld = closedOff?.isHeld ?? false;
  }

  get #hasRate(): boolean {
    return this.#limits.ratePerSecond !== Infinity;
  }

  /** Requests in flight. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether it has answered well, and not failed again and again since. */
  get isProven(): boolean {
    return this.#succeededAtMs !== -Infinity && !this.#breaker.isFailingForLong;
  }

  /** Whether it isn't proven, and has failed. */
  get isFailing(): boolean {
    return this.#breaker.isFailing && !this.isProven;
  }

  /** Whether the breaker is open, or waits for its probe. */
  get isDown(): boolean {
    return !this.#breaker.isClosed;
  }

  /** An answer that takes longer than this takes too long, ms. */
  get longMs(): number {
    const { bestMs } = this.#concurrency;
    return bestMs === Infinity ? LONG_MS : Math.max(LONG_MS, LONG_TIMES_BEST * bestMs);
  }

  /**
   * Whether events are better parked than waited with: nothing but a probe will be sent for a
   * while.
   */
  isClosedOff(nowMs: number): boolean {
    return this.isHeld || this.isDown || nowMs < this.#untilMs;
  }

  /**
   * Why it is closed off or begins slowly, `undefined` when it does neither; what a lane needs that
   * takes its place. Nothing may be in flight.
   */
  closedOff(nowMs: number): ClosedOff | undefined {
    const awaySinceMs = this.awaySinceMs(nowMs) ?? this.#toldSinceMs;
    if (!this.isClosedOff(nowMs) && awaySinceMs === undefined) return undefined;
    const { open } = this.#breaker;
    return { isHeld: this.isHeld, untilMs: this.#untilMs, open, awaySinceMs };
  }

  /**
   * Since when it was away, while it is down or begins slowly, monotonic ms. Others who begin to
   * send there are to know.
   */
  awaySinceMs(nowMs: number): number | undefined {
    if (this.#slowStart?.isOver(nowMs)) this.#slowStart = undefined;
    return this.#breaker.downSinceMs ?? (this.#slowStart && this.#slowSinceMs);
  }

  /**
   * Somebody says that it was away from then on, monotonic ms: unless something got through here
   * since, it begins slowly, and is found down sooner.
   *
   * @returns Whether that is so; otherwise it is known better.
   */
  wasAway(sinceMs: number): boolean {
    if (this.#succeededAtMs > sinceMs) return false;
    this.#toldSinceMs = sinceMs;
    this.#breaker.expect();
    return true;
  }

  /** Nobody says any more that it was away. */
  isBack(): void {
    this.#toldSinceMs = undefined;
  }

  /** Whether a part of the requests gets through, and many don't. */
  get isStruggling(): boolean {
    return this.#health.isStruggling;
  }

  /** The part of the requests that got through lately, 0 to 1. */
  get share(): number {
    return this.#health.share;
  }

  /** The most requests in flight for now. */
  get limit(): number {
    return this.isDown ? 1 : this.#concurrency.limit;
  }

  /**
   * When one more request may be sent as far as time goes: `nowMs` for now, `Infinity` while only
   * an operator or an answer can change that.
   */
  readyMs(nowMs: number): number {
    if (this.isHeld || this.#inFlight >= this.limit) return Infinity;
    let readyMs = Math.max(
      this.#untilMs,
      this.#breaker.readyMs(nowMs),
      this.#throttle.readyMs(nowMs),
    );
    if (this.#hasRate) readyMs = Math.max(readyMs, this.#rate.readyMs(nowMs));
    if (this.#slowStart) readyMs = Math.max(readyMs, this.#slowStart.readyMs(nowMs));
    return readyMs;
  }

  /**
   * Leave the destination alone until `untilMs`, which only ever gets later; the endpoint asked for
   * it.
   */
  holdUntil(untilMs: number): void {
    this.#untilMs = Math.max(this.#untilMs, untilMs);
  }

  /** A request begins; `readyMs` must have allowed it. */
  start(nowMs: number): LaneChange | undefined {
    this.#inFlight++;
    if (this.#hasRate) this.#rate.spend(nowMs);
    this.#throttle.start(nowMs, this.#concurrency.limit);
    if (this.#slowStart?.isOver(nowMs)) this.#slowStart = undefined;
    this.#slowStart?.start(nowMs);
    return this.#breaker.start();
  }

  /**
   * A request has ended.
   *
   * @param ms How long it took.
   * @param random Uniform in [0, 1).
   * @param event Which event it was.
   */
  end(
    verdict: Verdict,
    ms: number,
    nowMs: number,
    random: number,
    event: string,
  ): LaneChange | undefined {
    this.#inFlight--;
    const { downSinceMs } = this.#breaker;
    const change = this.#breaker.end(verdict, nowMs, random, event, this.#inFlight === 0);
    if (change) this.#health.reset();
    if (change === "opened") this.#slowStart?.stop(nowMs);
    if (verdict === "success") this.#succeeded(ms, nowMs, downSinceMs);
    if (verdict === "overload" || verdict === "silence") {
      this.#concurrency.overloaded(ms, nowMs);
      this.#slowStart?.stop(nowMs);
    }
    this.#throttle.end(verdict, nowMs, this.#concurrency.limit);
    return change ?? (this.isDown ? undefined : this.#health.end(verdict, nowMs));
  }

  /** @param downSinceMs Since when nothing got through, if it was down. */
  #succeeded(ms: number, nowMs: number, downSinceMs: number | undefined): void {
    const awaySinceMs = downSinceMs ?? this.#toldSinceMs;
    this.#toldSinceMs = undefined;
    if (awaySinceMs === undefined) this.#throughput.succeeded(nowMs);
    else this.#comesBack(nowMs, awaySinceMs);
    this.#succeededAtMs = nowMs;
    if (this.#concurrency.succeeded(ms, nowMs)) this.#slowStart?.resume(nowMs);
    else this.#slowStart?.stop(nowMs);
  }

  /** An outage is over; one within the slow start after a longer one changes nothing of that. */
  #comesBack(nowMs: number, awaySinceMs: number): void {
    const outageMs = nowMs - awaySinceMs;
    this.#throughput.restart(nowMs);
    if (this.#slowStart?.isOver(nowMs) === false && outageMs < this.#slowAfterMs) return;
    this.#slowStart = SlowStart.after(nowMs, outageMs, this.#throughput.perSecond);
    [this.#slowSinceMs, this.#slowAfterMs] = [awaySinceMs, outageMs];
  }
}
