/**
 * Where work comes from that no lane knows of yet: claims nobody works on any more, `new/`, and the
 * folders in `defer/` that several destinations share. Passes over them follow each other while
 * they bear fruit; then the intake rests.
 *
 * @module
 */

import type { Candidate } from "./listing.ts";
import { SHARED_FOLDER } from "../queue.ts";
import { LOOSE, type Waiting, type WaitingEvents } from "./deferred.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Source } from "./ready.ts";

/**
 * A folder that takes long to list is looked at less often: one part listing, this many parts rest.
 */
const REST_PER_LISTING = 9;

/** Longest such rest. */
const LONGEST_REST_MS = 60_000;

/** Told of listings. */
export interface ListingReport {
  /** A folder was listed. */
  readonly listed: () => void;
  /** A folder could not be listed. */
  readonly notListed: (error: unknown) => void;
}

/** A supply of candidates that rests when there are none. */
export class Intake {
  readonly #clock: Clock;
  readonly #ready: Source;
  readonly #abandoned: Source;
  readonly #waiting: WaitingEvents;
  readonly #report: ListingReport;
  readonly #pollMs: number;
  #startMs = Infinity;
  #slice: readonly Candidate[] = [];
  #at = 0;
  #recoverAtMs = 0;
  #restUntilMs = 0;
  #claims = 0;
  #gone = 0;
  #fruitless = 0;
  #listingMs = 0;
  #passes = 0;
  #isPassOver = false;
  #isSharedsTurn = false;
  /** Whether something may have come since this pass began. */
  #isWoken = false;

  /** A supply for one consumer. */
  constructor(
    clock: Clock,
    sources: {
      readonly ready: Source;
      readonly abandoned: Source;
      readonly waiting: WaitingEvents;
    },
    pollMs: number,
    report: ListingReport,
  ) {
    this.#clock = clock;
    this.#ready = sources.ready;
    this.#abandoned = sources.abandoned;
    this.#waiting = sources.waiting;
    this.#report = report;
    this.#pollMs = pollMs;
  }

  /** From now on only what is due now is offered, and only once. */
  offerOnce(): void {
    this.#startMs = this.#clock.now();
  }

  /** Whether what is due is offered once only. */
  get isOnce(): boolean {
    return this.#startMs !== Infinity;
  }

  /** Up to when waiting events are due for this run, Unix ms. */
  get beforeMs(): number {
    return Math.min(this.#startMs, this.#clock.now());
  }

  /** Whether a whole pass over everything has been made. */
  get hasFinished(): boolean {
    return this.#passes > 0;
  }

  /** Until when there is nothing to take in, monotonic ms; the past when there may be. */
  get restUntilMs(): number {
    if (this.isOnce && this.hasFinished) return Infinity;
    const nowMs = this.#clock.monotonic();
    const aheadMs = nowMs - this.#clock.now();
    let untilMs = Math.min(this.#restUntilMs, Math.max(this.#recoverAtMs, nowMs + 1));
    for (const waiting of this.#shared()) {
      untilMs = Math.min(untilMs, aheadMs + this.#waiting.nextDueMs(waiting));
    }
    return untilMs;
  }

  /** Something may have come: rest no longer. */
  wake(): void {
    this.#restUntilMs = 0;
    this.#isWoken = true;
  }

  /** A candidate was claimed, or somebody else had it. */
  took(isOurs: boolean): void {
    if (isOurs) this.#claims++;
    else this.#gone++;
  }

  /**
   * The next candidate, of a shared folder and of the others in turn; `undefined` while resting.
   */
  next(): Candidate | undefined | Promise<Candidate | undefined> {
    if (this.#waiting.get(SHARED_FOLDER) || this.#waiting.get(LOOSE)) return this.#nextInTurn();
    return this.#at < this.#slice.length ? this.#slice[this.#at++] : this.#nextReady();
  }

  /** One more that is due as {@linkcode Intake.next} found it, if there is one at hand. */
  nextAtHand(): Candidate | undefined {
    if (this.#waiting.get(SHARED_FOLDER) || this.#waiting.get(LOOSE)) return undefined;
    return this.#slice[this.#at] && this.#slice[this.#at++];
  }

  async #nextInTurn(): Promise<Candidate | undefined> {
    this.#isSharedsTurn = !this.#isSharedsTurn;
    const first = this.#isSharedsTurn ? await this.#nextShared() : await this.#nextReady();
    if (first) return first;
    return this.#isSharedsTurn ? await this.#nextReady() : await this.#nextShared();
  }

  async #nextReady(): Promise<Candidate | undefined> {
    for (;;) {
      if (this.#at < this.#slice.length) return this.#slice[this.#at++];
      const nowMs = this.#clock.monotonic();
      if (nowMs >= this.#recoverAtMs) {
        this.#recoverAtMs = nowMs + this.#pollMs;
        await this.#load(() => this.#abandoned.next());
        continue;
      }
      if (nowMs < this.#restUntilMs || (this.isOnce && this.hasFinished)) {
        return undefined;
      }
      if (this.#isPassOver) {
        this.#endPass(); // now that its last candidates have been tried
        continue;
      }
      if (this.#ready.passEnded) this.#isWoken = false;
      this.#isPassOver = await this.#load(() => this.#ready.next()) && this.#ready.passEnded;
    }
  }

  /** @returns Whether the folder could be listed. */
  async #load(list: () => Promise<readonly Candidate[]>): Promise<boolean> {
    const startMs = this.#clock.monotonic();
    try {
      this.#slice = await list();
      this.#at = 0;
      this.#report.listed();
      return true;
    } catch (error) {
      this.#slice = [];
      this.#restUntilMs = startMs + this.#pollMs;
      this.#report.notListed(error);
      return false;
    } finally {
      this.#listingMs += this.#clock.monotonic() - startMs;
    }
  }

  /**
   * One that is due in a shared folder: no more, since a folder may be listed again before its
   * candidates are claimed.
   */
  async #nextShared(): Promise<Candidate | undefined> {
    for (const waiting of this.#shared()) {
      if (this.#waiting.nextDueMs(waiting) > this.beforeMs) continue;
      try {
        const candidate = await this.#waiting.next(waiting, this.beforeMs);
        this.#report.listed();
        if (candidate) return candidate;
      } catch (error) {
        this.#report.notListed(error);
      }
    }
    return undefined;
  }

  *#shared(): Iterable<Waiting> {
    for (const name of [SHARED_FOLDER, LOOSE]) {
      const waiting = this.#waiting.get(name);
      if (waiting) yield waiting;
    }
  }

  /**
   * The pass over `new/` is over: another follows if this one bore fruit, or if others were faster.
   */
  #endPass(): void {
    this.#passes++;
    this.#isPassOver = false;
    this.#fruitless = this.#claims > 0 ? 0 : this.#fruitless + 1;
    if (this.#claims === 0 && !this.#isWoken && (this.#gone === 0 || this.#fruitless > 1)) {
      const restMs = Math.min(LONGEST_REST_MS, this.#listingMs * REST_PER_LISTING);
      const dueMs = this.#ready.nextDueMs - this.#clock.now();
      const pauseMs = Math.max(restMs, Math.min(this.#pollMs, Math.max(0, dueMs)));
      this.#restUntilMs = this.#clock.monotonic() + pauseMs;
    }
    this.#claims = this.#gone = this.#listingMs = 0;
  }
}
