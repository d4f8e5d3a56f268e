/**
 * A lane: what a consumer knows of one destination, and whether one more request may go there now.
 *
 * Made of mechanisms, each of which alone can say no, and each with a table of its own:
 *
 * | mechanism               | says no                                                    |
 * | ----------------------- | ---------------------------------------------------------- |
 * | {@linkcode Breaker}     | while the destination is down, but to a probe now and then |
 * | {@linkcode SlowStart}   | to more than a growing rate after it was down              |
 * | {@linkcode Concurrency} | to more in flight than the destination takes               |
 * | {@linkcode TokenBucket} | to more a second than the operator wants                   |
 *
 * And two words from outside: until when the endpoint asked to be left alone, and whether an
 * operator holds it.
 *
 * | outcome of a request | breaker           | slow start            | concurrency       |
 * | -------------------- | ----------------- | --------------------- | ----------------- |
 * | success              | closes            | begins, if it closed  | may grow          |
 * | overload             | counts a failure  | the same              | may shrink        |
 * | failure              | counts a failure  | the same              | the same          |
 * | nothing              | the next probe    | the same              | the same          |
 *
 * Pure: time and chance are arguments, all times in ms of the monotonic clock.
 *
 * @module
 */

import { Breaker, type BreakerChange, FAILURES_TO_OPEN, type OpenBreaker } from "./breaker.ts";
import { Concurrency } from "./concurrency.ts";
import { SlowStart } from "./slow_start.ts";
import { TokenBucket } from "./token_bucket.ts";
import type { Verdict } from "./verdict.ts";

export type { Verdict } from "./verdict.ts";

/** A change worth a line in the log. */
export type LaneChange = BreakerChange;

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

/** Why a lane is closed off: what must be known of it for ever, lest it be sent to. */
export interface ClosedOff {
  /** An operator holds it. */
  readonly isHeld: boolean;
  /** Until when the endpoint asked to be left alone, monotonic ms. */
  readonly untilMs: number;
  /** It is down. */
  readonly open: OpenBreaker | undefined;
}

/** No answer for this long, or for this many times the best time, is long. */
const LONG_MS = 1_000;
const LONG_TIMES_BEST = 4;

/** One destination. */
export class Lane {
  readonly #breaker: Breaker;
  readonly #concurrency: Concurrency;
  readonly #rate: TokenBucket | undefined;
  #slowStart: SlowStart | undefined;
  #untilMs: number;
  #inFlight = 0;
  #hasAnswered = false;
  /** Held by an operator: nothing is sent. */
  isHeld: boolean;

  /**
   * A lane that knows nothing yet, or only why it is closed off.
   *
   * @param nowMs Monotonic ms.
   */
  constructor(limits: LaneLimits, nowMs: number, closedOff?: ClosedOff) {
    const { most, fixed, ratePerSecond } = limits;
    this.#breaker = new Breaker(closedOff?.open);
    this.#concurrency = new Concurrency(most, fixed);
    if (ratePerSecond !== Infinity) this.#rate = new TokenBucket(nowMs, () => ratePerSecond);
    this.#untilMs = closedOff?.untilMs ?? 0;
    this.isHeld = closedOff?.isHeld ?? false;
  }

  /** Requests in flight. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether it has answered well, and not failed again and again since. */
  get isProven(): boolean {
    return this.#hasAnswered && this.#breaker.failures < FAILURES_TO_OPEN;
  }

  /** Whether it isn't proven, and has failed. */
  get isFailing(): boolean {
    return this.#breaker.failures > 0 && !this.isProven;
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
   * Why it is closed off, `undefined` when it is not; what a lane needs that takes its place.
   * Nothing may be in flight.
   */
  closedOff(nowMs: number): ClosedOff | undefined {
    if (!this.isClosedOff(nowMs)) return undefined;
    return { isHeld: this.isHeld, untilMs: this.#untilMs, open: this.#breaker.open };
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
    let readyMs = Math.max(this.#untilMs, this.#breaker.readyMs(nowMs));
    if (this.#rate) readyMs = Math.max(readyMs, this.#rate.readyMs(nowMs));
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
    this.#rate?.spend(nowMs);
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
    if (verdict === "success") {
      this.#hasAnswered = true;
      this.#concurrency.succeeded(ms, nowMs);
    }
    if (verdict === "overload") this.#concurrency.overloaded(ms, nowMs);
    const change = this.#breaker.end(verdict, nowMs, random, event, this.#inFlight === 0);
    if (change === "recovered") this.#slowStart = new SlowStart(nowMs);
    return change;
  }
}
