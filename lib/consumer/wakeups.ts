/**
 * When there is something to send: what waits in memory and in the store, as soon as its lane
 * allows it.
 *
 * @module
 */

import type { LaneEntry, Lanes } from "../lanes/lanes.ts";
import { type Waiting, Wakeups } from "../lanes/wakeups.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Store } from "../store/store.ts";
import type { Batcher } from "./batcher.ts";
import type { Prepared } from "./prepare.ts";

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
  readonly #wakeups: Wakeups<LaneEntry<Prepared>>;

  /** @param once Whether only what was due at the start matters. */
  constructor(parts: WakeUpsParts, once: boolean) {
    this.#parts = parts;
    this.#once = once;
    this.#wakeups = new Wakeups(parts.lanes);
  }

  /** Before a rest: until when it may last as far as lanes go, monotonic ms. */
  beforeRestMs(nowMs: number): number {
    return this.#wakeups.beforeRestMs(nowMs, this.#waiting());
  }

  /** After a rest: wake the lanes that may send something now. */
  wakeDue(): void {
    this.#wakeups.wakeDue(this.#parts.clock.monotonic(), this.#waiting());
  }

  /** Wake every lane that may send something that waits. */
  wakeAll(): void {
    this.#wakeups.wakeAll(this.#parts.clock.monotonic(), this.#waiting());
  }

  /** Lanes with something to send, in memory or in the store. */
  *#waiting(): Iterable<Waiting<LaneEntry<Prepared>>> {
    const { clock, lanes, store, batcher } = this.#parts;
    const aheadMs = clock.monotonic() - clock.now();
    for (const entry of lanes.entries) {
      if (entry.queue.length === 0) continue;
      yield { entry, dueMs: batcher?.dueMs(entry.queue) ?? 0 };
    }
    for (const deferred of store.deferred) {
      const entry = lanes.get(deferred.destination);
      const dueMs = deferred.nextDueMs;
      const isForLater = dueMs === Infinity || this.#once && !store.hasDue(deferred);
      if (entry && !isForLater) yield { entry, dueMs: aheadMs + dueMs };
    }
  }
}
