/**
 * When there is something to send: what waits in memory and in `defer/`, as soon as its lane allows
 * it.
 *
 * @module
 */

import type { WaitingEvents } from "../queue/store/deferred.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Gathering } from "./batcher.ts";
import type { Intake } from "../queue/store/poller.ts";
import type { Lanes, Station } from "../lanes/lanes.ts";

/**
 * With thousands of lanes, looking through all of them after each request would take longer than
 * the requests.
 */
const LOOK_MS = 10;

/** What an agenda is made from. */
export interface AgendaParts {
  /** Time. */
  readonly clock: Clock;
  /** Whose events. */
  readonly lanes: Lanes;
  /** What waits in `defer/`. */
  readonly waiting: WaitingEvents;
  /** How long events wait for each other, where they do. */
  readonly gathering: Gathering | undefined;
  /** Knows up to when what waits in `defer/` matters at all. */
  readonly intake: Intake;
}

/** Knows when the lanes of a consumer may send something that waits. */
export class Agenda {
  readonly #parts: AgendaParts;
  /**
   * When the lanes were looked through last, and when the first of them could send something,
   * monotonic ms.
   */
  #seenMs = -Infinity;
  #firstMs = 0;
  /** Whether that was just before resting. */
  #isSeen = false;

  /** Nothing looked at yet. */
  constructor(parts: AgendaParts) {
    this.#parts = parts;
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

  *#lanesWithWork(): Iterable<{ readonly station: Station; readonly dueMs: number }> {
    const { lanes, waiting, intake } = this.#parts;
    for (const station of lanes.stations) {
      if (station.queue.length > 0) yield { station, dueMs: this.#gatheredMs(station) };
    }
    for (const folder of waiting.destinations) {
      const station = lanes.get(folder.destination);
      const dueMs = waiting.nextDueMs(folder);
      const isForLater = dueMs === Infinity || intake.isOnce && dueMs > intake.beforeMs;
      if (station && !isForLater) yield { station, dueMs };
    }
  }

  /** Until when what a lane has in memory waits for others, Unix ms. */
  #gatheredMs({ queue }: Station): number {
    const { clock, gathering } = this.#parts;
    return gathering ? clock.now() + gathering.dueMs(queue) - clock.monotonic() : 0;
  }
}
