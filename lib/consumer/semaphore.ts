/**
 * How many requests are in flight, waiting for room, and the first bug that one of them met.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";

interface Waiter {
  /** Resolved once no more than this many are inside. */
  readonly until: number;
  /** Whether {@linkcode Semaphore.wake} ends the waiting too. */
  readonly isWakeable: boolean;
  readonly resolve: () => void;
}

/** Lets at most `limit` in at a time. */
export class Semaphore {
  /** How many may be inside. May change at any time. */
  limit: number;
  #inside = 0;
  #changes = 0;
  #bug: { readonly error: unknown } | undefined;
  readonly #waiters = new Set<Waiter>();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How many are inside. */
  get inside(): number {
    return this.#inside;
  }

  /** Whether one more may go in. */
  get hasRoom(): boolean {
    return this.#inside < this.limit;
  }

  /** How often somebody has gone out, or {@linkcode Semaphore.wake} was called. */
  get changes(): number {
    return this.#changes;
  }

  /** The first bug that somebody inside met: no event, file, endpoint or disk does that. */
  get bug(): { readonly error: unknown } | undefined {
    return this.#bug;
  }

  /** Go in. Look at {@linkcode Semaphore.hasRoom} first. */
  enter(): void {
    this.#inside++;
  }

  /** Go out. */
  leave(): void {
    this.#inside--;
    this.#changes++;
    for (const waiter of this.#waiters) if (this.#inside <= waiter.until) this.#end(waiter);
  }

  /** Remember a bug; everybody who waits is to see it. */
  fail(error: unknown): void {
    this.#bug ??= { error };
    this.wake();
  }

  /** Too many files or connections are open: from now on half of what is inside. */
  crowd(): void {
    this.limit = Math.max(1, Math.floor(this.#inside / 2));
  }

  /** Resolves once somebody has gone out, or {@linkcode Semaphore.wake} is called. */
  change(): Promise<void> {
    return this.#fallsTo(this.#inside - 1);
  }

  /** Resolves once nobody is inside, whoever wakes; after `ms` at the latest. */
  async empty(ms: number, clock: Clock): Promise<void> {
    if (this.#inside > 0) await this.#sleep(ms, clock, 0, false);
  }

  /** Resolves after `ms`, or as soon as there have been more changes than `seen`. */
  async rest(ms: number, seen: number, clock: Clock): Promise<void> {
    if (this.#changes === seen) await this.#sleep(ms, clock, Infinity, true);
  }

  /** End all waiting for a change. */
  wake(): void {
    this.#changes++;
    for (const waiter of this.#waiters) if (waiter.isWakeable) this.#end(waiter);
  }

  #fallsTo(until: number): Promise<void> {
    return new Promise((resolve) => this.#waiters.add({ until, isWakeable: true, resolve }));
  }

  async #sleep(ms: number, clock: Clock, until: number, isWakeable: boolean): Promise<void> {
    const nap = new AbortController();
    // Without a reason it would make an exception, and a stack with it.
    const waiter = { until, isWakeable, resolve: () => nap.abort("woken") };
    this.#waiters.add(waiter);
    await clock.sleep(ms, nap.signal);
    this.#waiters.delete(waiter);
  }

  #end(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    waiter.resolve();
  }
}
