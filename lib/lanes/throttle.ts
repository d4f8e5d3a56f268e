/**
 * A throttle in proportion to what is accepted: a destination that fails a part of its requests is
 * sent to, and one that fails nearly all is not buried.
 *
 * | what happens                      | credits                        |
 * | --------------------------------- | ------------------------------ |
 * | a request begins                  | 1 less                         |
 * | it succeeds                       | 10 more                        |
 * | it fails                          | the same                       |
 * | it says nothing                   | 1 more: as if it had not begun |
 * | time goes by                      | 10 more a second               |
 * | less than 1, a request is to begin | it waits until there is 1     |
 *
 * So there are no more than 10 requests for each that is accepted, and 10 a second beside these.
 * Credits are saved up to 50 and as many as may be in flight at once: where nine of ten requests
 * succeed, or one of nine, it never says no. The events that failed wait by their own schedule.
 *
 * (The idea is the client-side throttling of "Handling Overload" in Google's SRE book, with a
 * greater multiple: a destination that fails at random isn't helped by less requests.)
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

import type { Verdict } from "./verdict.ts";

/** Requests for each that is accepted. */
const PER_SUCCESS = 10;

/** Requests a second beside these. */
const PER_SECOND = 10;

/** What is saved beside one credit for each that may be in flight. */
const SAVED = 50;

/** Credits for requests. */
export class Throttle {
  #credits: number;
  #atMs: number;

  /**
   * With all that may be saved.
   *
   * @param limit Requests in flight at most.
   */
  constructor(nowMs: number, limit: number) {
    this.#credits = SAVED + limit;
    this.#atMs = nowMs;
  }

  /** When a request may begin, at `nowMs` or later. */
  readyMs(nowMs: number): number {
    const credits = this.#credits + this.#earned(nowMs);
    return credits >= 1 ? nowMs : nowMs + (1 - credits) * 1_000 / PER_SECOND;
  }

  #earned(nowMs: number): number {
    return Math.max(0, nowMs - this.#atMs) * PER_SECOND / 1_000;
  }

  /** A request begins. */
  start(nowMs: number, limit: number): void {
    this.#add(nowMs, limit);
    this.#credits--;
  }

  /** A request has ended. */
  end(verdict: Verdict, nowMs: number, limit: number): void {
    if (verdict === "success") this.#credits += PER_SUCCESS;
    if (verdict === "nothing") this.#credits++;
    this.#add(nowMs, limit);
  }

  #add(nowMs: number, limit: number): void {
    this.#credits = Math.min(SAVED + limit, this.#credits + this.#earned(nowMs));
    this.#atMs = Math.max(this.#atMs, nowMs);
  }
}
