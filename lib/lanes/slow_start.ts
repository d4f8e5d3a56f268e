/**
 * Slow start: after an outage the rate of requests grows, so that a backlog doesn't arrive at once.
 *
 * | state | what happens         | next state                      |
 * | ----- | -------------------- | ------------------------------- |
 * | none  | the outage ends      | slow, 10 requests a second      |
 * | slow  | 5 s go by            | slow, twice as many             |
 * | slow  | 100 s have gone by   | none: 20 doublings are no limit |
 * | slow  | the next outage ends | slow, 10 requests a second      |
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

import { TokenBucket } from "./token_bucket.ts";

const FIRST_PER_SECOND = 10;
const DOUBLING_MS = 5_000;
const DOUBLINGS = 20;

/** One slow start. */
export class SlowStart {
  readonly #bucket: TokenBucket;
  readonly #endMs: number;

  /** It begins now. */
  constructor(nowMs: number) {
    const rate = (atMs: number) => FIRST_PER_SECOND * 2 ** ((atMs - nowMs) / DOUBLING_MS);
    this.#bucket = new TokenBucket(nowMs, rate);
    this.#endMs = nowMs + DOUBLINGS * DOUBLING_MS;
  }

  /** Whether it limits nothing any more. */
  isOver(nowMs: number): boolean {
    return nowMs >= this.#endMs;
  }

  /** When a request may begin, at `nowMs` or later. */
  readyMs(nowMs: number): number {
    return this.#bucket.readyMs(nowMs);
  }

  /** A request begins. */
  start(nowMs: number): void {
    this.#bucket.spend(nowMs);
  }
}
