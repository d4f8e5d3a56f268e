/**
 * When there is something to send: what waits in memory and in the store, as soon as its lane
 * allows it.
 *
 * @module
 */

import type { Lanes, Station } from "../lanes/lanes.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Store } from "../store/store.ts";
import type { Batcher } from "./batcher.ts";
import type { Prepared } from "./prepare.ts";

/**
 * With thousands of lanes, looking through all of them after each request would take longer than
 * the requests.
 */
const LOOK_MS = 10;

/** What is looked through. */
export interface WakeUpsParts {
  /** Time. */
  readonly clock: Clock;
  /** Whose events. */
  readonly lanes: Lanes<Prepared>;
  /** What waits in the store. */
  readonly store: Store;
  /** How long events wait for each other, where they do. */
  readonly batcher: Batcher | undefined;
}

/** Wakes the lanes of a consumer that may send something that waits. */
export class WakeUps {
  readonly #parts: WakeUpsParts;
  readonly #once: boolean;
  /**
   * When the lanes were looked through last, and when the first of them could send something,
   * monotonic ms.
   */
  #seenMs = -Infinity;
  #firstMs = 0;
  /** Whether that was just before resting. */
  #isSeen = false;

  /** @param once Whether only what was due at the start matters. */
  constructor(parts: WakeUpsParts, once: boolean) {
    this.#parts = parts;
    this.#once = once;
  }

  /**
   * Before a rest: until when it may last as far as lanes go, monotonic ms. Then the first may send
   * something, or they are to be looked through again. Lanes that may send something now are woken.
   */
  beforeRestMs(nowMs: number): number {
    const untilMs = this.#isSeen ? this.#firstMs : this.#look(nowMs);
    this.#isSeen = false;
    return untilMs;
  }

  /** After a rest: wake the lanes that may send something now. */
  wakeDue(): void {
    const nowMs = this.#parts.clock.monotonic();
    if (nowMs >= this.#firstMs) this.#look(nowMs);
  }

  /**
   * Wake every lane that may send something that waits, however lately they were looked through.
   */
  wakeAll(): void {
    this.#seenMs = -Infinity;
    this.#look(this.#parts.clock.monotonic());
    this.#isSeen = true;
  }

  #look(nowMs: number): number {
    const { clock, lanes } = this.#parts;
    const againMs = this.#seenMs + LOOK_MS;
    if (nowMs < againMs && nowMs < this.#firstMs) return Math.min(againMs, this.#firstMs);
    this.#seenMs = nowMs;
    this.#firstMs = Infinity;
    const aheadMs = nowMs - clock.now();
    for (const { station, dueMs } of this.#lanesWithWork()) {
      const atMs = Math.max(lanes.readyMs(station, nowMs), aheadMs + dueMs);
      this.#firstMs = Math.min(this.#firstMs, atMs);
      if (atMs <= nowMs) lanes.wake(station);
    }
    return this.#firstMs;
  }

  /** With when the first of what waits is due, Unix ms. */
  *#lanesWithWork(): Iterable<{ readonly station: Station<Prepared>; readonly dueMs: number }> {
    const { lanes, store } = this.#parts;
    for (const station of lanes.stations) {
      if (station.queue.length > 0) yield { station, dueMs: this.#batchDueMs(station) };
    }
    for (const deferred of store.deferred) {
      const station = lanes.get(deferred.destination);
      const dueMs = deferred.nextDueMs;
      const isForLater = dueMs === Infinity || this.#once && !store.hasDue(deferred);
      if (station && !isForLater) yield { station, dueMs };
    }
  }

  /** Until when what a lane has in memory waits for others, Unix ms. */
  #batchDueMs({ queue }: Station<Prepared>): number {
    const { clock, batcher } = this.#parts;
    return batcher ? clock.now() + batcher.dueMs(queue) - clock.monotonic() : 0;
  }
}
