/**
 * Where candidates come from that no lane knows of yet: claims nobody works on any more, `new/`,
 * and the folders in `defer/` that several destinations share.
 *
 * Passes over `new/` follow each other while they yield claims; after one that doesn't the poller
 * rests.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";
import type { Candidate, StoreLimits } from "../../store/store.ts";
import type { DeferredEvents, DeferredFolder } from "./deferred.ts";
import type { ListingBackoff, Vital } from "./listing_backoff.ts";
import type { Parts } from "./parts.ts";
import type { ReadyEvents } from "./ready.ts";
import type { AbandonedClaims } from "./recovery.ts";

/**
 * A folder that takes long to list is looked at less often: one part listing, this many parts rest.
 */
const REST_PER_LISTING = 9;

/** Which turn is that of the shared folders: retries of the dead must not hold up what is new. */
const SHARED_EVERY = 4;

/** How often to look, while there are events to share, whether others have come or gone. */
const PEERS_EVERY_MS = 500;

/** Longest such rest. */
const LONGEST_REST_MS = 60_000;

/** What a poller looks through. */
export interface PollerParts {
  /** Time. */
  readonly clock: Clock;
  /** `new/`. */
  readonly ready: ReadyEvents;
  /** `cur/`. */
  readonly abandoned: AbandonedClaims;
  /** `defer/`. */
  readonly deferred: DeferredEvents;
  /** Which events are whose. */
  readonly parts: Parts;
  /** Told how listing goes. */
  readonly backoff: ListingBackoff;
}

/** A supply of candidates that rests when there are none. */
export class Poller {
  readonly #clock: Clock;
  readonly #ready: ReadyEvents;
  readonly #abandoned: AbandonedClaims;
  readonly #deferred: DeferredEvents;
  readonly #backoff: ListingBackoff;
  readonly #parts: Parts;
  readonly #limits: { readonly current: StoreLimits };
  readonly #once: boolean;
  #slice: readonly Candidate[] = [];
  #at = 0;
  #recoverAtMs = 0;
  #restUntilMs = 0;
  #claims = 0;
  #gone = 0;
  #fruitlessPasses = 0;
  #listingMs = 0;
  #passes = 0;
  #isPassOver = false;
  #turns = 0;
  /** Whether something may have come since this pass began. */
  #isWoken = false;

  /**
   * @param limits How often `cur/` is looked at, and the rest after a pass that yielded nothing.
   * @param once Whether only one pass is made.
   */
  constructor(parts: PollerParts, limits: { readonly current: StoreLimits }, once: boolean) {
    this.#clock = parts.clock;
    this.#ready = parts.ready;
    this.#abandoned = parts.abandoned;
    this.#deferred = parts.deferred;
    this.#backoff = parts.backoff;
    this.#parts = parts.parts;
    this.#limits = limits;
    this.#once = once;
  }

  /** Whether a whole pass over everything has been made. */
  get hasFinished(): boolean {
    return this.#passes > 0;
  }

  /** Until when there is nothing to take in, monotonic ms; the past when there may be. */
  get restUntilMs(): number {
    if (this.#once && this.hasFinished) return Infinity;
    const nowMs = this.#clock.monotonic();
    const aheadMs = nowMs - this.#clock.now();
    let untilMs = Math.min(this.#restUntilMs, Math.max(this.#recoverAtMs, nowMs + 1));
    for (const folder of this.#deferred.shared) {
      untilMs = Math.min(untilMs, aheadMs + this.#deferred.nextDueMs(folder));
    }
    return untilMs;
  }

  /** Something may have come: rest no longer. */
  wake(): void {
    this.#restUntilMs = 0;
    this.#isWoken = true;
  }

  /** A candidate was claimed, or somebody else had it. */
  decided(isOurs: boolean): void {
    if (isOurs) this.#claims++;
    else this.#gone++;
  }

  /** @param mayWait Whether folders may be listed for the first of them. */
  next(most: number, mayWait: boolean): readonly Candidate[] | Promise<readonly Candidate[]> {
    const { hasShared } = this.#deferred;
    if (hasShared && mayWait && ++this.#turns % SHARED_EVERY === 0) return this.#nextShared(most);
    const rest = this.#slice.length - this.#at;
    const mustLook = mayWait && this.#clock.monotonic() >= this.#recoverAtMs;
    if (rest > 0 && !mustLook) {
      return this.#slice.slice(this.#at, this.#at += Math.min(most, rest));
    }
    if (!mayWait) return [];
    return hasShared ? this.#nextOfEither(most) : this.#nextReady(most);
  }

  async #nextOfEither(most: number): Promise<readonly Candidate[]> {
    const ready = await this.#nextReady(most);
    return ready.length > 0 ? ready : await this.#oneOfShared();
  }

  async #nextShared(most: number): Promise<readonly Candidate[]> {
    const shared = await this.#oneOfShared();
    return shared.length > 0 ? shared : await this.#nextReady(most);
  }

  async #nextReady(most: number): Promise<readonly Candidate[]> {
    for (;;) {
      const nowMs = this.#clock.monotonic();
      if (nowMs >= this.#recoverAtMs) {
        await this.#lookAtPeers();
        continue;
      }
      const rest = this.#slice.length - this.#at;
      if (rest > 0) return this.#slice.slice(this.#at, this.#at += Math.min(most, rest));
      if (nowMs < this.#restUntilMs || (this.#once && this.hasFinished)) return [];
      if (this.#isPassOver) {
        if (!this.#takeOthers()) this.#endPass(); // now that its last candidates have been tried
        continue;
      }
      if (this.#ready.passEnded) this.#isWoken = false;
      this.#isPassOver = await this.#load("new", () => this.#ready.next()) &&
        this.#ready.passEnded;
    }
  }

  /** What nobody works on any more comes first; what of a slice is left, after it. */
  async #lookAtPeers(): Promise<void> {
    const rest = this.#slice.slice(this.#at);
    const isListed = await this.#load("cur", () => this.#abandoned.next());
    this.#at = 0;
    if (isListed && this.#abandoned.hasNewPeers) {
      this.#ready.restart();
      this.#isPassOver = false;
    } else if (rest.length > 0) this.#slice = [...this.#slice, ...rest];
    const { pollMs } = this.#limits.current;
    const hasWork = rest.length > 0 || this.#claims > 0 || this.#ready.leftOthers;
    const isUrgent = this.#parts.areShared && hasWork;
    const everyMs = isUrgent ? Math.min(pollMs, PEERS_EVERY_MS) : pollMs;
    // From its end on: were it to take longer than that, nothing else would be looked at.
    this.#recoverAtMs = this.#clock.monotonic() + everyMs;
  }

  /**
   * Whoever finds nothing of its own takes what others have left, and a run that looks once
   * whatever they have left by now.
   */
  #takeOthers(): boolean {
    if (this.#once) {
      if (this.#ready.takesAll || !this.#ready.leftOthers) return false;
      this.#ready.takesAll = true;
      this.#isPassOver = false;
      return true;
    }
    if (this.#claims > 0) return false;
    this.#slice = this.#ready.waiting;
    this.#at = 0;
    return this.#slice.length > 0;
  }

  /** @returns Whether the folder could be listed. */
  async #load(folder: Vital, list: () => Promise<readonly Candidate[]>): Promise<boolean> {
    const startMs = this.#clock.monotonic();
    try {
      this.#slice = await list();
      this.#at = 0;
      this.#backoff.listed(folder);
      return true;
    } catch (error) {
      this.#slice = [];
      this.#restUntilMs = startMs + this.#limits.current.pollMs;
      this.#backoff.notListed(error, folder);
      return false;
    } finally {
      // Not `cur/`: it is looked at while `new/` rests, and would make that rest ever longer.
      if (folder === "new") this.#listingMs += this.#clock.monotonic() - startMs;
    }
  }

  /** No more, since a shared folder may be listed again before its candidates are claimed. */
  async #oneOfShared(): Promise<readonly Candidate[]> {
    for (const folder of this.#deferred.shared) {
      if (!this.#deferred.hasDue(folder)) continue;
      const candidate = await this.nextDue(folder);
      if (candidate) return [candidate];
    }
    return [];
  }

  /** The next due event of a folder in `defer/`. */
  async nextDue(folder: DeferredFolder): Promise<Candidate | undefined> {
    try {
      return await this.#deferred.next(folder);
    } catch (error) {
      this.#backoff.notListed(error);
      return undefined;
    }
  }

  /** The pass over `new/` is over: another follows if it yielded claims, or others were faster. */
  #endPass(): void {
    this.#passes++;
    this.#isPassOver = false;
    this.#fruitlessPasses = this.#claims > 0 ? 0 : this.#fruitlessPasses + 1;
    const isContended = this.#gone > 0 && this.#fruitlessPasses <= 1;
    const isMoving = this.#ready.mayPostponeMore;
    if (this.#claims === 0 && !this.#isWoken && !isContended && !isMoving) {
      const restMs = Math.min(LONGEST_REST_MS, this.#listingMs * REST_PER_LISTING);
      const dueMs = this.#ready.nextDueMs - this.#clock.now();
      const othersMs = this.#ready.othersMs - this.#clock.monotonic();
      const nextMs = Math.max(0, Math.min(dueMs, othersMs));
      const pauseMs = Math.max(restMs, Math.min(this.#limits.current.pollMs, nextMs));
      this.#restUntilMs = this.#clock.monotonic() + pauseMs;
    }
    this.#claims = this.#gone = this.#listingMs = 0;
  }
}
