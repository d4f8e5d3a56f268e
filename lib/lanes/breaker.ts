/**
 * A circuit breaker: stops sending to a destination where nothing gets through, and probes whether
 * it does again.
 *
 * | state      | outcome of a request                             | next state               |
 * | ---------- | ------------------------------------------------ | ------------------------ |
 * | closed     | success                                          | closed, the run is over  |
 * | closed     | failure, the run of these not too long           | closed                   |
 * | closed     | failure, the run of these too long for chance    | open, for a pause        |
 * | open       | the pause is over and a request begins, a probe  | probing                  |
 * | open       | failure of a request that began before           | open                     |
 * | probing    | failure                                          | open, for another pause  |
 * | probing    | nothing: the event refused or called off         | open, without a pause    |
 * | not closed | success                                          | closed                   |
 *
 * When a run is too long {@linkcode FailureRun} says. An overload, no answer and no connection are
 * failures here.
 *
 * A pause is a sixth of the time since the breaker opened, 60 s at most, and chance lengthens it
 * by up to a quarter. At least it is 400 ms, so that what was away for seconds is found well within
 * one, and 1 s where nothing ever got through.
 * A breaker that opens again soon goes on where it was: each second closed makes good for 20 open.
 *
 * Pure: time and chance are arguments, all times in ms of the monotonic clock.
 *
 * @module
 */

import { FailureRun } from "./failure_run.ts";
import type { Verdict } from "./verdict.ts";

/** A pause is this part of the time since the breaker opened. */
const PAUSE_SHARE = 1 / 6;
const SHORTEST_PAUSE_MS = 400;
const SHORTEST_UNKNOWN_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * By how much chance lengthens a pause: consumers that lost a destination together don't come back
 * together.
 */
const PAUSE_JITTER = 0.25;

/** How much time open a time closed makes good for. */
const MADE_GOOD = 20;

/** A change worth a line in the log. */
export type BreakerChange = "opened" | "probing" | "recovered";

/** What an open breaker must know to stay open. */
export interface OpenBreaker {
  /** When it opened, as far as pauses go, monotonic ms. */
  readonly openedAtMs: number;
  /** Since when nothing has got through, monotonic ms. */
  readonly sinceMs: number;
  /** When the next probe may begin, monotonic ms. */
  readonly probeAtMs: number;
}

/** The breaker of one destination. */
export class Breaker {
  readonly #run = new FailureRun();
  #state: "closed" | "open" | "probing" = "closed";
  #openedAtMs = 0;
  #sinceMs = 0;
  #probeAtMs = 0;
  #hasSucceeded = false;
  /** How long it was open last, as far as pauses go, and until when. */
  #wasOpenMs = 0;
  #closedAtMs = 0;

  /** Closed, unless it is to stay open. */
  constructor(open?: OpenBreaker) {
    if (!open) return;
    this.#state = "open";
    this.#openedAtMs = open.openedAtMs;
    this.#sinceMs = open.sinceMs;
    this.#probeAtMs = open.probeAtMs;
  }

  /** Whether requests go through without a probe. */
  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Whether the last request that said something failed. */
  get isFailing(): boolean {
    return !this.isClosed || this.#run.length > 0;
  }

  /** Whether it is open, or so many failed in a row that it may soon be. */
  get isFailingForLong(): boolean {
    return !this.isClosed || this.#run.isLong;
  }

  /** Since when nothing gets through, monotonic ms; `undefined` when it is closed. */
  get downSinceMs(): number | undefined {
    return this.isClosed ? undefined : this.#sinceMs;
  }

  /** What it must know to stay open; `undefined` when it is closed. Nothing may be in flight. */
  get open(): OpenBreaker | undefined {
    if (this.isClosed) return undefined;
    const [openedAtMs, sinceMs, probeAtMs] = [this.#openedAtMs, this.#sinceMs, this.#probeAtMs];
    return { openedAtMs, sinceMs, probeAtMs };
  }

  /** Somebody says that the destination is down: less will do to believe it. */
  expect(): void {
    this.#run.expect();
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
      case "silence":
      case "unreachable":
        return this.#fail(nowMs, random, event, false);
      case "overload":
      case "failure":
        return this.#fail(nowMs, random, event, true);
    }
  }

  #close(nowMs: number): BreakerChange | undefined {
    this.#run.succeeded();
    this.#hasSucceeded = true;
    if (this.isClosed) return undefined;
    this.#state = "closed";
    this.#closedAtMs = nowMs;
    this.#wasOpenMs = Math.min(nowMs - this.#openedAtMs, LONGEST_PAUSE_MS / PAUSE_SHARE);
    return "recovered";
  }

  #fail(
    nowMs: number,
    random: number,
    event: string,
    isAnswered: boolean,
  ): BreakerChange | undefined {
    this.#run.failed(nowMs, event, isAnswered);
    const wasClosed = this.isClosed;
    if (wasClosed) {
      if (!this.#run.isTooLong(nowMs)) return undefined;
      const owedMs = this.#wasOpenMs - MADE_GOOD * (nowMs - this.#closedAtMs);
      this.#openedAtMs = nowMs - Math.max(0, owedMs);
      this.#sinceMs = this.#run.sinceMs;
    } else if (this.#state !== "probing") return undefined;
    const shortestMs = this.#hasSucceeded ? SHORTEST_PAUSE_MS : SHORTEST_UNKNOWN_MS;
    const pauseMs = Math.max(shortestMs, PAUSE_SHARE * (nowMs - this.#openedAtMs));
    this.#state = "open";
    this.#probeAtMs = nowMs + Math.min(LONGEST_PAUSE_MS, pauseMs) * (1 + PAUSE_JITTER * random);
    return wasClosed ? "opened" : undefined;
  }
}
