/**
 * A circuit breaker: stops sending to a destination that doesn't work, and probes whether it does
 * again.
 *
 * | state      | outcome of a request                             | next state               |
 * | ---------- | ------------------------------------------------ | ------------------------ |
 * | closed     | success                                          | closed, none failed      |
 * | closed     | failure, at most the 4th in a row, or all of one | closed                   |
 * | closed     | failure, the 5th in a row, of two events or more | open, for a pause        |
 * | open       | the pause is over and a request begins, a probe  | probing                  |
 * | open       | failure of a request that began before           | open                     |
 * | probing    | failure                                          | open, for a longer pause |
 * | probing    | nothing: the event refused or called off         | open, without a pause    |
 * | not closed | success                                          | closed, none failed      |
 *
 * Pauses double from 1 s to 60 s, and chance lengthens each by up to a quarter. Closed for a
 * minute, the breaker begins with the shortest again.
 *
 * An overload is a failure here. One event that always fails has pauses of its own and says nothing
 * about its destination, so it never opens the breaker alone.
 *
 * Pure: time and chance are arguments, all times in ms of the monotonic clock.
 *
 * @module
 */

import type { Verdict } from "./verdict.ts";

/** Failures in a row that open the breaker. */
export const FAILURES_TO_OPEN = 5;

/** The first pause before a probe, which doubles up to the longest. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** More doublings than it takes to get from the first to the longest pause. */
const MOST_DOUBLINGS = 16;

/**
 * By how much chance lengthens a pause: consumers that lost a destination together don't come back
 * together.
 */
const PAUSE_JITTER = 0.25;

/** Closed for this long, a breaker has forgotten its pauses. */
const FORGET_MS = 60_000;

/** A change worth a line in the log. */
export type BreakerChange = "opened" | "probing" | "recovered";

/** What an open breaker must know to stay open. */
export interface OpenBreaker {
  /** Failures in a row. */
  readonly failures: number;
  /** Pauses so far. */
  readonly pauses: number;
  /** When the next probe may begin, monotonic ms. */
  readonly probeAtMs: number;
}

/** The breaker of one destination. */
export class Breaker {
  #state: "closed" | "open" | "probing" = "closed";
  #failures = 0;
  /** Whose failure was the first in a row; `null` once others have failed as well. */
  #failedEvent: string | null | undefined;
  #pauses = 0;
  #probeAtMs = 0;
  #closedAtMs = 0;

  /** Closed, unless it is to stay open. */
  constructor(open?: OpenBreaker) {
    if (!open) return;
    this.#state = "open";
    this.#failures = open.failures;
    this.#failedEvent = null;
    this.#pauses = open.pauses;
    this.#probeAtMs = open.probeAtMs;
  }

  /** Whether requests go through without a probe. */
  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** What it must know to stay open; `undefined` when it is closed. Nothing may be in flight. */
  get open(): OpenBreaker | undefined {
    if (this.isClosed) return undefined;
    return { failures: this.#failures, pauses: this.#pauses, probeAtMs: this.#probeAtMs };
  }

  /** When a request may begin, at `nowMs` or later. */
  readyMs(nowMs: number): number {
    return this.isClosed ? nowMs : Math.max(nowMs, this.#probeAtMs);
  }

  /** A request begins. */
  start(): BreakerChange | undefined {
    if (this.#state !== "open") return undefined;
    this.#state = "probing";
    return "probing";
  }

  /**
   * A request has ended.
   *
   * @param random Uniform in [0, 1).
   * @param event Which event it was.
   * @param isLast Whether none is in flight now.
   */
  end(
    verdict: Verdict,
    nowMs: number,
    random: number,
    event: string,
    isLast: boolean,
  ): BreakerChange | undefined {
    switch (verdict) {
      case "success":
        return this.#close(nowMs);
      case "nothing":
        if (this.#state === "probing" && isLast) this.#state = "open";
        return undefined;
      case "overload":
      case "failure":
        return this.#fail(nowMs, random, event);
    }
  }

  #close(nowMs: number): BreakerChange | undefined {
    this.#failures = 0;
    if (this.isClosed) return undefined;
    this.#state = "closed";
    this.#closedAtMs = nowMs;
    return "recovered";
  }

  #fail(nowMs: number, random: number, event: string): BreakerChange | undefined {
    this.#failures++;
    if (this.#failures === 1) this.#failedEvent = event;
    else if (this.#failedEvent !== event) this.#failedEvent = null;
    const wasClosed = this.isClosed;
    const opens = wasClosed
      ? this.#failures >= FAILURES_TO_OPEN && this.#failedEvent === null
      : this.#state === "probing";
    if (!opens) return undefined;
    if (wasClosed && nowMs - this.#closedAtMs > FORGET_MS) this.#pauses = 0;
    const doublings = Math.min(this.#pauses, MOST_DOUBLINGS);
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** doublings);
    this.#pauses++;
    this.#state = "open";
    this.#probeAtMs = nowMs + pauseMs * (1 + PAUSE_JITTER * random);
    return wasClosed ? "opened" : undefined;
  }
}
