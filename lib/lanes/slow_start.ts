/**
 * Slow start: after an outage the rate of requests grows, so that a backlog doesn't arrive at once.
 * In proportion: the longer the outage the longer it takes, and the higher it begins the more the
 * destination is known to take.
 *
 * | outage           | to the rate it last worked at |
 * | ---------------- | ----------------------------- |
 * | less than 5 s    | at once                       |
 * | up to 5 minutes  | a tenth of the outage         |
 * | longer           | 30 s                          |
 *
 * It begins with a 64th of that rate, 10 requests a second at least, doubles 6 times up to it, or
 * from 10 to 640 where less was known, and then goes on as fast.
 *
 * | state   | what happens                                   | next state                  |
 * | ------- | ---------------------------------------------- | --------------------------- |
 * | growing | a time-out, 429 or 503, or a slower answer     | stopped, the rate stays     |
 * | stopped | a success as fast as before                    | growing, where it stopped   |
 * | growing | it has grown for 14 doublings                  | over: that is no limit      |
 * | growing | the next outage begins                         | stopped, the rate stays     |
 * | any     | the next outage ends, which was longer         | another one                 |
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

import { TokenBucket } from "./token_bucket.ts";

const LENGTH_SHARE = 1 / 10;
const LONGEST_MS = 30_000;
const SHORTEST_OUTAGE_MS = 5_000;

const LEAST_PER_SECOND = 10;
const DOUBLINGS_TO_KNOWN = 6;
const DOUBLINGS = 14;

/** One slow start. */
export class SlowStart {
  readonly #bucket: TokenBucket;
  readonly #firstPerSecond: number;
  readonly #doublingMs: number;
  /** How long it had grown, and since when it does again; `undefined` while it is stopped. */
  #grownMs = 0;
  #growsFromMs: number | undefined;

  private constructor(nowMs: number, doublingMs: number, firstPerSecond: number) {
    this.#firstPerSecond = firstPerSecond;
    this.#doublingMs = doublingMs;
    this.#growsFromMs = nowMs;
    this.#bucket = new TokenBucket(nowMs, (atMs) => this.#perSecond(atMs));
  }

  /**
   * It begins now, if the outage was long enough for one.
   *
   * @param outageMs How long nothing got through.
   * @param knownPerSecond How many requests a second got through before that; 0 if nobody knows.
   */
  static after(nowMs: number, outageMs: number, knownPerSecond: number): SlowStart | undefined {
    if (outageMs < SHORTEST_OUTAGE_MS) return undefined;
    const lengthMs = Math.min(LONGEST_MS, outageMs * LENGTH_SHARE);
    const first = Math.max(LEAST_PER_SECOND, knownPerSecond / 2 ** DOUBLINGS_TO_KNOWN);
    return new SlowStart(nowMs, lengthMs / DOUBLINGS_TO_KNOWN, first);
  }

  #grown(nowMs: number): number {
    return this.#grownMs + Math.max(0, nowMs - (this.#growsFromMs ?? nowMs));
  }

  #perSecond(nowMs: number): number {
    return this.#firstPerSecond * 2 ** (this.#grown(nowMs) / this.#doublingMs);
  }

  /** Whether it limits nothing any more. */
  isOver(nowMs: number): boolean {
    return this.#grown(nowMs) >= DOUBLINGS * this.#doublingMs;
  }

  /** When a request may begin, at `nowMs` or later. */
  readyMs(nowMs: number): number {
    return this.#bucket.readyMs(nowMs);
  }

  /** A request begins. */
  start(nowMs: number): void {
    this.#bucket.spend(nowMs);
  }

  /** The destination has as much to do as it can. */
  stop(nowMs: number): void {
    this.#bucket.readyMs(nowMs); // what came in until now did at the rate until now
    this.#grownMs = this.#grown(nowMs);
    this.#growsFromMs = undefined;
  }

  /** It takes what it gets. */
  resume(nowMs: number): void {
    if (this.#growsFromMs !== undefined) return;
    this.#bucket.readyMs(nowMs);
    this.#growsFromMs = nowMs;
  }
}
