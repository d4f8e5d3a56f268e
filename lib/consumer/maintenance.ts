/**
 * What a consumer does beside its work, every now and then: look at what others may have changed,
 * give up what has waited too long for a destination that is down, sweep once a day, remove each
 * hour what has been kept for long enough, and count for producers what waits.
 *
 * @module
 */

import type { Lanes } from "../lanes/lanes.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Deferred, Store } from "../store/store.ts";
import type { LaneSync } from "./lane_sync.ts";
import type { ConsumerSettings } from "../config/consumer.ts";
import type { Live } from "../config/settings.ts";
import type { Prefetch } from "./prefetch.ts";
import type { Prepared } from "./prepare.ts";
import type { Semaphore } from "./semaphore.ts";
import type { Settler } from "./settle.ts";

/** What is swept is 36 h old, so once a day is often enough. */
const SWEEP_EVERY_MS = 24 * 60 * 60_000;

/** What is delivered is kept by the hour. */
const PRUNE_EVERY_MS = 60 * 60_000;

/** The least time between two counts for producers. */
const RECOUNT_EVERY_MS = 10_000;

/**
 * How many events that wait for a destination which is down are looked at, a poll and destination,
 * for whether they are too old.
 */
const EXPIRE_AT_ONCE = 64;

/** What is kept in order. */
export interface MaintenanceParts {
  /** What others change. */
  readonly store: Store;
  /** Which destinations are down. */
  readonly lanes: Lanes<Prepared>;
  /** Does what marks say. */
  readonly sync: LaneSync;
  /** Claims what may have waited too long. */
  readonly prefetch: Prefetch;
  /** Gives it up. */
  readonly settler: Settler;
  /** Is widened again after too many files were open. */
  readonly semaphore: Semaphore;
}

/** Keeps a consumer in order. */
export class Maintenance {
  readonly #parts: MaintenanceParts;
  readonly #options: Live<ConsumerSettings>;
  readonly #clock: Clock;
  #dueMs = 0;

  /** Due at once. */
  constructor(parts: MaintenanceParts, options: Live<ConsumerSettings>, clock: Clock) {
    this.#parts = parts;
    this.#options = options;
    this.#clock = clock;
  }

  /** When it is due again, monotonic ms. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Do what is due. */
  async runIfDue(): Promise<void> {
    if (this.#clock.monotonic() < this.#dueMs) return;
    const { store, sync, semaphore } = this.#parts;
    const { concurrency, pollMs } = this.#options.current;
    await store.refresh();
    semaphore.limit = Math.min(concurrency, semaphore.limit + 1);
    for (const deferred of [...store.deferred]) {
      await sync.apply(deferred);
      await this.#expire(deferred);
    }
    sync.resumeUnmarked();
    this.#dueMs = this.#clock.monotonic() + pollMs;
  }

  /** Give up what has waited too long for a destination that is down. */
  async #expire(deferred: Deferred): Promise<void> {
    const { lanes, sync, prefetch, settler } = this.#parts;
    const entry = lanes.get(deferred.destination);
    if (!entry?.lane.isDown || entry.lane.isHeld) return;
    for (let n = 0; n < EXPIRE_AT_ONCE; n++) {
      if (deferred.oldestMs + this.#options.current.maxAgeMs > this.#clock.now()) return;
      const event = await prefetch.nextDue(deferred.destination);
      if (!event) return;
      if (!await settler.expire(event, entry.lastError)) await sync.park(entry, event);
    }
  }

  /**
   * Sweep and prune now, and then now and again until `stop`. The promise given first is that of
   * the first time.
   */
  cleanUp(stop: AbortSignal): { readonly first: Promise<void>; readonly all: Promise<void> } {
    const { store } = this.#parts;
    const recount = async () => await store.recount?.(stop);
    const recounting = this.#again(recount, RECOUNT_EVERY_MS, stop);
    const sweeping = this.#repeat(() => store.sweep(stop), SWEEP_EVERY_MS, stop);
    const pruning = this.#repeat(() => store.prune(stop), PRUNE_EVERY_MS, stop);
    const together = async (...several: Promise<void>[]) => {
      await Promise.all(several);
    };
    return {
      first: together(sweeping.first, pruning.first),
      all: together(sweeping.all, pruning.all, recounting),
    };
  }

  #repeat(act: () => Promise<void>, everyMs: number, stop: AbortSignal) {
    const first = act();
    return { first, all: first.then(() => this.#again(act, everyMs, stop)) };
  }

  async #again(act: () => Promise<void>, everyMs: number, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.#clock.sleep(everyMs, stop);
      if (!stop.aborted) await act();
    }
  }
}
