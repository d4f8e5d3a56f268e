/**
 * Prefetch: events are claimed side by side and prepared, some while those before them are being
 * sent.
 *
 * @module
 */

import type { Lanes } from "../lanes/lanes.ts";
import { type ByteBudget, memoryFor } from "../store/budget.ts";
import type { DiskFailure } from "../store/failure.ts";
import { MOST_TAKEOVERS } from "../store/limits.ts";
import type { Candidate, Claim, Claimed, Store } from "../store/store.ts";
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
const MOST_GROUPS = 3;

/**
 * Fewer claims than this cost a disk almost as much as this many, so they are put off if that keeps
 * nobody waiting.
 */
const WORTHWHILE = 32;

/** Why a claim that waits to be read is put back when the consumer stops. */
const STOPPING = { kind: "released", reason: "the consumer is stopping", pauseMs: 0 } as const;

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
  /** How much of that there may be. */
  readonly budget: ByteBudget;
}

/** Claims that were begun together. */
interface Group {
  /** How many of them have not been handed on. */
  count: number;
  /** What can be sent of them, as far as they are back. */
  readonly events: Prepared[];
  ended: Promise<DiskFailure | undefined>;
  /** Whether all are back. */
  isBack: boolean;
}

/** The claims of a consumer that are under way. */
export class Prefetch {
  readonly #store: Store;
  readonly #preparer: Preparer;
  readonly #settler: Settler;
  readonly #semaphore: Semaphore;
  readonly #lanes: Lanes<Prepared>;
  readonly #budget: ByteBudget;
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
    this.#budget = parts.budget;
    this.#options = options;
    this.#stop = stop;
  }

  /** How many claims are under way. */
  get underWay(): number {
    return this.#groups.reduce((sum, { count }) => sum + count, 0);
  }

  /** At least one is always looked for, or what is new would wait for all of a backlog. */
  get #worthwhile(): number {
    return Math.min(WORTHWHILE, Math.max(1, Math.floor(this.#options.current.concurrency / 2)));
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

  /**
   * Whether there is something to hand on: the claims begun first are back, or as many of them as
   * there is memory for.
   */
  get isBack(): boolean {
    return this.#handedOnNext !== undefined;
  }

  /**
   * Those that are to be handed on: the first, when all of it is back. Where one waits for memory,
   * any that has some: nobody else can give it back.
   */
  get #handedOnNext(): Group | undefined {
    const [first] = this.#groups;
    if (first?.isBack || !this.isOutOfMemory) return first?.isBack ? first : undefined;
    return this.#groups.find(({ events }) => events.length > 0);
  }

  /** Whether a claimed event waits until there is memory to read it. */
  get isOutOfMemory(): boolean {
    return this.#budget.isAwaited;
  }

  /** Whether there is memory for one more event, however large it may be. */
  get #hasMemoryForOne(): boolean {
    return !this.#budget.isAwaited && this.#budget.fits(memoryFor(this.#options.current.maxBytes));
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
   * The events of the claims begun first, once they are back; as many of them as there is memory
   * for.
   *
   * @returns With them the store's failure, if it has refused for too long.
   */
  async next(): Promise<{ readonly events: readonly Prepared[]; readonly failure?: unknown }> {
    const group = this.#handedOnNext ?? this.#groups[0]!;
    const { events, ended } = group;
    if (group !== this.#groups[0] || !group.isBack && events.length > 0) {
      group.count -= events.length;
      return { events: events.splice(0) };
    }
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

  /** Put back what waits for memory. */
  turnAway(): void {
    this.#budget.turnAway();
  }

  /** Whether events of a destination's backlog are due, and there is memory for one. */
  hasDue(destination: string): boolean {
    if (!this.#hasMemoryForOne) return false;
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

  /** Claim candidates and prepare them, in their order; what can be sent is added to `events`. */
  async #claim(
    candidates: readonly Candidate[],
    events: Prepared[],
  ): Promise<DiskFailure | undefined> {
    const { claimed, failure } = await this.#store.claim(candidates);
    await this.#prepareAll(claimed, events);
    if (failure || !claimed.includes("no room")) return failure;
    for (const candidate of candidates.filter((_, n) => claimed[n] === "no room")) {
      if (this.#semaphore.inside === 0 || this.#stop.aborted) break;
      await this.#semaphore.change(); // an event that was settled may have made room for a name
      if (this.#stop.aborted) break;
      const again = await this.#store.claim([candidate]);
      await this.#prepareAll(again.claimed, events);
      if (again.failure) return again.failure;
    }
    return undefined;
  }

  /** A promise only when something has to be waited for. */
  #prepareAll(claimed: readonly Claimed[], events: Prepared[]): Promise<unknown> | undefined {
    const preparing: Promise<void>[] = [];
    const large: Claim[] = [];
    for (const claim of claimed) {
      if (typeof claim === "string") continue;
      const mayWait = claim.unreadBytes > 0 || claim.takeovers > 0;
      if (mayWait || large.length > 0) large.push(claim);
      else {
        const prepared = this.#prepare(claim, events);
        if (prepared) preparing.push(prepared);
      }
    }
    if (large.length > 0) preparing.push(this.#prepareInTurn(large, events));
    return preparing.length > 0 ? Promise.all(preparing) : undefined;
  }

  /** Those that are large are read one after the other, each when there is memory for it. */
  async #prepareInTurn(claims: readonly Claim[], events: Prepared[]): Promise<void> {
    for (const claim of claims) {
      const bytes = memoryFor(claim.unreadBytes);
      if (!this.#budget.take(bytes)) {
        const waiting = this.#budget.wait(bytes);
        this.#semaphore.wake(); // what is there has to be handed on
        if (!await waiting) {
          await this.#settler.reject(claim, STOPPING);
          continue;
        }
      }
      const prepared = claim.takeovers > 0 && claim.takeovers < MOST_TAKEOVERS
        ? this.#prepareWarily(claim, events)
        : this.#prepare(claim, events);
      if (prepared) await prepared;
      this.#budget.give(bytes); // what it really is has been added
    }
  }

  /**
   * An event that was taken over is looked at as one that is being sent: a consumer may have died
   * of no more than that.
   */
  async #prepareWarily(claim: Claim, events: Prepared[]): Promise<void> {
    if (!await this.#isOurs(claim, claim.begin())) return;
    const prepared = await this.#preparer.prepare(claim);
    if ("kind" in prepared || await this.#isOurs(claim, claim.setAside())) {
      await this.#keep(claim, prepared, events);
    }
  }

  async #isOurs(claim: Claim, renaming: ReturnType<Claim["begin"]>): Promise<boolean> {
    const fate = await renaming;
    if (fate !== "done") this.#settler.unread(claim, fate);
    return fate === "done";
  }

  /** A promise only when the store has to be asked, or told. */
  #prepare(claim: Claim, events: Prepared[]): Promise<void> | undefined {
    const prepared = this.#preparer.prepare(claim);
    return prepared instanceof Promise
      ? prepared.then((prepared) => this.#keep(claim, prepared, events))
      : this.#keep(claim, prepared, events);
  }

  #keep(
    claim: Claim,
    prepared: Prepared | Rejection,
    events: Prepared[],
  ): Promise<void> | undefined {
    if (!("kind" in prepared)) {
      this.#budget.add(memoryFor(prepared.bytes));
      events.push(prepared);
      return undefined;
    }
    if (prepared.kind === "crowded") this.#semaphore.crowd();
    return this.#settler.reject(claim, prepared);
  }
}
