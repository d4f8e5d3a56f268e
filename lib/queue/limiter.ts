/**
 * Limits for producers: when as much waits as may, events are refused, and nothing that waits is
 * ever dropped for another.
 *
 * How much waits is an estimate (`depth.ts`). It is wrong by what consumers have sent and producers
 * without limits have added since the last count, and its bytes are those of a sample. So whoever
 * can wait counts again before it refuses, unless that was done a moment ago.
 *
 * @module
 */

import { errorCode } from "../runtime/runtime.ts";
import { count, type Depth, type Estimate, estimate, isEstimated, noteAdded } from "./depth.ts";
import { EnqueueError } from "./enqueue.ts";
import { QueueFullError, type QueueLimits } from "./full.ts";
import type { Place } from "./place.ts";
import { run, type Steps } from "./steps.ts";

/** How long this process trusts what it has seen of the counters, and of the disk. */
const SEEN_MS = 100;
const SEEN_FREE_MS = 1_000;

/** How often consumers correct the estimate, at most. */
const CONSUMERS_PAUSE_MS = 5_000;

/** How often a producer does that is about to refuse. */
const PRODUCERS_PAUSE_MS = 250;

/** One part counting, this many parts pause. */
const PAUSES_PER_COUNT = 20;

const NEVER: AbortSignal = new AbortController().signal;

const NOTHING: Depth = { events: 0, bytes: 0 };

/** Keeps the producers of one process to the limits. */
export class Limiter {
  readonly #place: Place;
  readonly #limits: QueueLimits;
  #seen: { readonly depth: Depth; readonly atMs: number } | undefined;
  #free: { readonly bytes: number; readonly atMs: number } | undefined;
  /** What was let through and isn't noted in the counters yet. */
  #pending = NOTHING;
  /** What was noted since they were seen. */
  #noted = NOTHING;
  #counting: Promise<boolean> | undefined;
  /** Whether somebody has counted what waits. */
  #isKnown = false;

  /**
   * @param limits Those that are current count.
   * @throws {TypeError} If some room must stay free, and nobody can tell how much there is.
   */
  constructor(place: Place, limits: QueueLimits) {
    this.#place = place;
    this.#limits = limits;
    if (limits.minFreeBytes !== undefined) this.#freeBytes();
  }

  /**
   * Do what adds events, unless they would be too many.
   *
   * @throws {QueueFullError} If they would; nothing was done.
   */
  *admit<T>(added: Depth, enqueueing: Steps<T>): Steps<T> {
    const isCounted = yield* this.#check(added);
    if (!isCounted) return yield* enqueueing;
    this.#pending = sum(this.#pending, added);
    try {
      const result = yield* enqueueing;
      yield* this.#note(added);
      return result;
    } catch (error) {
      const part = error instanceof EnqueueError ? error.enqueued.length / added.events : 0;
      if (part > 0) yield* this.#note(times(added, part));
      throw error;
    } finally {
      this.#pending = sum(this.#pending, times(added, -1));
    }
  }

  *#note(added: Depth): Steps<void> {
    yield* noteAdded(this.#place, added);
    this.#noted = sum(this.#noted, added);
  }

  /** @returns Whether what is added counts. */
  *#check(added: Depth): Steps<boolean> {
    const { maxEvents, maxBytes, minFreeBytes } = this.#limits;
    if (minFreeBytes !== undefined && this.#freeBytes() - added.bytes < minFreeBytes) {
      const free = `${this.#freeBytes()} bytes are free on its disk, ${minFreeBytes} must stay so`;
      throw new QueueFullError("minFreeBytes", `Cannot enqueue: the queue is full: ${free}`);
    }
    if (maxEvents === undefined && maxBytes === undefined) return false;
    const depth = sum(sum(yield* this.#look(), this.#noted), this.#pending);
    const full = (limit: "maxEvents" | "maxBytes", about: number, most: number, what: string) =>
      new QueueFullError(
        limit,
        `Cannot enqueue: the queue is full: about ${Math.round(about)} ${what} wait, at most ` +
          `${most} may`,
      );
    if (maxEvents !== undefined && depth.events + added.events > maxEvents) {
      throw full("maxEvents", depth.events, maxEvents, "events");
    }
    if (maxBytes !== undefined && depth.bytes + added.bytes > maxBytes) {
      throw full("maxBytes", depth.bytes, maxBytes, "bytes");
    }
    return true;
  }

  *#look(): Steps<Depth> {
    const nowMs = this.#place.runtime.clock.monotonic();
    if (this.#seen === undefined || nowMs >= this.#seen.atMs + SEEN_MS) {
      this.#seen = { depth: yield* estimate(this.#place), atMs: nowMs };
      this.#noted = NOTHING;
    }
    return this.#seen.depth;
  }

  #freeBytes(): number {
    const { base, runtime } = this.#place;
    const nowMs = runtime.clock.monotonic();
    if (this.#free === undefined || nowMs >= this.#free.atMs + SEEN_FREE_MS) {
      const bytes = runtime.volume?.(base).bytes?.free;
      if (bytes === undefined) {
        throw new TypeError(
          "Cannot open the queue: minFreeBytes needs a system that tells how much room there is",
        );
      }
      this.#free = { bytes, atMs: nowMs };
    }
    return this.#free.bytes;
  }

  /** Whether nobody has ever counted what waits, and somebody should. */
  *isBlind(): Steps<boolean> {
    const { maxEvents, maxBytes } = this.#limits;
    if (this.#isKnown || maxEvents === undefined && maxBytes === undefined) return false;
    this.#isKnown = (yield* estimate(this.#place)).countedMs !== undefined;
    return !this.#isKnown;
  }

  /**
   * Count again, unless that was done a moment ago or can't be done here.
   *
   * @returns Whether what is known is better now.
   */
  recount(): Promise<boolean> {
    return this.#counting ??= this.#recount().finally(() => this.#counting = undefined);
  }

  async #recount(): Promise<boolean> {
    try {
      const known = await run(estimate(this.#place));
      if (!isDue(known, this.#place.runtime.clock.now(), PRODUCERS_PAUSE_MS)) return false;
      await count(this.#place, NEVER);
      this.#seen = undefined;
      return true;
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return false; // who may only add events can't list them
    }
  }
}

/**
 * Correct, as a consumer, what producers think of how much waits; where none has limits, it costs a
 * look.
 *
 * @throws The disk's error.
 */
export async function recountForProducers(place: Place, signal: AbortSignal): Promise<void> {
  if (!await run(isEstimated(place))) return;
  const known = await run(estimate(place));
  if (isDue(known, place.runtime.clock.now(), CONSUMERS_PAUSE_MS)) await count(place, signal);
}

/** A count that takes long is made less often. A clock that went back makes it due. */
function isDue({ countedMs, tookMs }: Estimate, nowMs: number, leastMs: number): boolean {
  if (countedMs === undefined || countedMs > nowMs) return true;
  return nowMs >= countedMs + Math.max(leastMs, tookMs * PAUSES_PER_COUNT);
}

function sum(one: Depth, other: Depth): Depth {
  return { events: one.events + other.events, bytes: one.bytes + other.bytes };
}

function times({ events, bytes }: Depth, factor: number): Depth {
  return { events: events * factor, bytes: bytes * factor };
}
