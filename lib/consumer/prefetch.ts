/**
 * Prefetch: events are claimed side by side and prepared, some while those before them are being
 * sent.
 *
 * @module
 */

import type { Lanes } from "../lanes/lanes.ts";
import type { DiskFailure } from "../store/failure.ts";
import type { Candidate, Claimed, Store } from "../store/store.ts";
import type { ConsumerSettings } from "../config/consumer.ts";
import type { Live } from "../config/settings.ts";
import type { Prepared, Preparer, Rejection } from "./prepare.ts";
import type { Semaphore } from "./semaphore.ts";
import type { Settler } from "./settle.ts";

/**
 * How many claims are under way side by side: what is asked of a disk at once costs less than one
 * by one.
 */
const CLAIMS_AT_ONCE = 32;

/** While some claims come back, the next are under way. */
const MOST_GROUPS = 2;

/**
 * Fewer claims than this cost a disk almost as much as this many, so they are put off if that keeps
 * nobody waiting.
 */
const WORTHWHILE = 16;

/** What a prefetch works with. */
export interface PrefetchParts {
  /** Where events come from. */
  readonly store: Store;
  /** Looks at what was claimed. */
  readonly preparer: Preparer;
  /** Settles what can't be sent. */
  readonly settler: Settler;
  /** What is in flight. */
  readonly semaphore: Semaphore;
  /** What waits in memory. */
  readonly lanes: Lanes<Prepared>;
}

/** Claims that were begun together. */
interface Group {
  readonly count: number;
  /** What can be sent of them, as far as they are back. */
  readonly events: Prepared[];
  readonly ended: Promise<DiskFailure | undefined>;
  isBack: boolean;
}

/** The claims of a consumer that are under way. */
export class Prefetch {
  readonly #store: Store;
  readonly #preparer: Preparer;
  readonly #settler: Settler;
  readonly #semaphore: Semaphore;
  readonly #lanes: Lanes<Prepared>;
  readonly #options: Live<ConsumerSettings>;
  readonly #stop: AbortSignal;
  readonly #groups: Group[] = [];

  /** @param stop Aborts when the consumer stops. */
  constructor(parts: PrefetchParts, options: Live<ConsumerSettings>, stop: AbortSignal) {
    this.#store = parts.store;
    this.#preparer = parts.preparer;
    this.#settler = parts.settler;
    this.#semaphore = parts.semaphore;
    this.#lanes = parts.lanes;
    this.#options = options;
    this.#stop = stop;
  }

  /** How many claims are under way. */
  get underWay(): number {
    return this.#groups.reduce((sum, { count }) => sum + count, 0);
  }

  /** At least one is always looked for, or what is new would wait for all of a backlog. */
  get #worthwhile(): number {
    return Math.min(WORTHWHILE, Math.max(1, Math.floor(this.#options.current.concurrency / 4)));
  }

  /** Whether more claims may be under way. */
  get mayBegin(): boolean {
    return this.#groups.length < MOST_GROUPS;
  }

  /**
   * Whether it is time to claim more: not while every request that may be in flight is, and enough
   * is in memory, or on its way, to keep it so.
   */
  get isWanted(): boolean {
    if (!this.mayBegin) return false;
    return this.#semaphore.hasRoom || this.#lanes.queued + this.underWay < this.#worthwhile;
  }

  /**
   * How many claims may begin now.
   *
   * @param free Room in memory for what they bring.
   */
  room(free: number): number {
    const { underWay } = this;
    const room = Math.min(CLAIMS_AT_ONCE, free);
    return underWay > 0 && room < this.#worthwhile ? 0 : room;
  }

  /** Whether the claims begun first are back. */
  get isBack(): boolean {
    return this.#groups[0]?.isBack ?? false;
  }

  /** Begin to claim at most `most` of what is due; `false` when there is nothing. */
  async begin(most: number): Promise<boolean> {
    // While some are on their way nothing is listed: they may have to be parked, and what is new is
    // not to wait for both.
    const found = this.#store.candidates(most, this.#groups.length === 0);
    const candidates = found instanceof Promise ? await found : found;
    if (candidates.length === 0) return false;
    const events: Prepared[] = [];
    const ended = this.#claim(candidates, events);
    const group: Group = { count: candidates.length, events, ended, isBack: false };
    this.#groups.push(group);
    const back = () => {
      group.isBack = true;
      this.#semaphore.wake();
    };
    ended.then(back, back);
    return true;
  }

  /**
   * The events of the claims begun first, once they are back.
   *
   * @returns With them the store's failure, if it has refused for too long.
   */
  async next(): Promise<{ readonly events: readonly Prepared[]; readonly failure?: unknown }> {
    const { events, ended } = this.#groups[0]!;
    try {
      const failure = await ended;
      return failure ? { events, failure } : { events };
    } catch (failure) {
      return { events, failure };
    } finally {
      this.#groups.shift();
    }
  }

  /** When there may be something new to claim, monotonic ms. */
  get restUntilMs(): number {
    return this.#store.restUntilMs;
  }

  /** Whether everything that was due has been offered once. */
  get hasOfferedAll(): boolean {
    return this.#store.hasOfferedAll;
  }

  /** Whether events of a destination's backlog are due. */
  hasDue(destination: string): boolean {
    const deferred = this.#store.deferredOf(destination);
    return deferred !== undefined && this.#store.hasDue(deferred);
  }

  /** The destinations of whose backlog events are due. */
  get destinationsWithDue(): readonly string[] {
    const due = [...this.#store.deferred].filter((deferred) => this.#store.hasDue(deferred));
    return due.map(({ destination }) => destination);
  }

  /**
   * The next due event of a destination's backlog, claimed.
   *
   * @throws {DiskFailure} If the store has refused for too long.
   */
  async nextDue(destination: string): Promise<Prepared | undefined> {
    const deferred = this.#store.deferredOf(destination);
    if (!deferred) return undefined;
    for (let candidate; (candidate = await this.#store.nextDue(deferred));) {
      const events: Prepared[] = [];
      const failure = await this.#claim([candidate], events);
      if (failure) throw failure;
      if (events.length > 0) return events[0];
      if (this.#stop.aborted) return undefined;
    }
    return undefined;
  }

  /** Claim candidates and prepare them; what can be sent is added to `events`. */
  async #claim(
    candidates: readonly Candidate[],
    events: Prepared[],
  ): Promise<DiskFailure | undefined> {
    const preparing: Promise<void>[] = [];
    const { claimed, failure } = await this.#store.claim(candidates);
    for (const one of claimed) this.#prepare(one, events, preparing);
    let failed = failure;
    const crowded = claimed.includes("no room")
      ? candidates.filter((_, n) => claimed[n] === "no room")
      : [];
    for (const candidate of crowded) {
      if (this.#semaphore.inside === 0 || this.#stop.aborted || failed) break;
      await this.#semaphore.change(); // an event that was settled may have made room for a name
      if (this.#stop.aborted) break;
      const again = await this.#store.claim([candidate]);
      for (const one of again.claimed) this.#prepare(one, events, preparing);
      failed = again.failure;
    }
    if (preparing.length > 0) await Promise.all(preparing);
    return failed;
  }

  #prepare(claimed: Claimed, events: Prepared[], preparing: Promise<void>[]): void {
    if (typeof claimed === "string") return;
    const keep = (prepared: Prepared | Rejection) => {
      if (!("kind" in prepared)) {
        events.push(prepared);
        return undefined;
      }
      if (prepared.kind === "crowded") this.#semaphore.crowd();
      return this.#settler.reject(claimed, prepared);
    };
    const prepared = this.#preparer.prepare(claimed);
    const kept = prepared instanceof Promise ? prepared.then(keep) : keep(prepared);
    if (kept) preparing.push(kept);
  }
}
