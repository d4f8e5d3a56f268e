/**
 * Events whose consumers have died again and again while they were being sent. Any of them may be
 * to blame, so each is tried with nothing beside it: then the guilty one is found, and the others
 * go free.
 *
 *     taken over     is
 *     never, once    sent as any other: one death says little
 *     2 to 4 times   a suspect: sent alone, those with the fewest deaths first
 *     5 times        dead
 *
 * Others don't pay for it with more than half of the time: after a trial they have as long as it
 * took.
 *
 * @module
 */

import type { Prepared } from "./prepare.ts";

/** Taken over this many times in a row while it was being sent, an event is a suspect. */
export const TAKEOVERS_OF_SUSPECT = 2;

/** The suspects that a consumer has claimed. */
export class Suspects {
  readonly #events: Prepared[] = [];
  #notBeforeMs = -Infinity;

  /** Whether an event is to be sent alone. */
  static isOne({ claim }: Prepared): boolean {
    return claim.takeovers >= TAKEOVERS_OF_SUSPECT;
  }

  /** How many there are. */
  get size(): number {
    return this.#events.length;
  }

  /** When the next trial may begin, monotonic ms; `Infinity` when there is nobody to try. */
  get dueMs(): number {
    return this.#events.length === 0 ? Infinity : this.#notBeforeMs;
  }

  /** Add one. */
  add(event: Prepared): void {
    const { takeovers } = event.claim;
    const at = this.#events.findIndex(({ claim }) => claim.takeovers > takeovers);
    this.#events.splice(at === -1 ? this.#events.length : at, 0, event);
  }

  /** Take the one with the fewest deaths. */
  take(): Prepared | undefined {
    return this.#events.shift();
  }

  /** A trial has ended: others have as long as it took. */
  tried(startMs: number, endMs: number): void {
    this.#notBeforeMs = endMs + (endMs - startMs);
  }
}
