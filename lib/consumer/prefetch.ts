/**
 * Claims under way: events are claimed side by side and looked at, some while those before them are
 * being sent.
 *
 * @module
 */

import type { Candidate } from "../queue/store/listing.ts";
import type { Claimer } from "../queue/store/claimer.ts";
import type { Delivery, Ending, Prepared } from "./delivery.ts";
import type { Gate } from "./semaphore.ts";
import type { Lanes } from "../lanes/lanes.ts";

/**
 * How many claims are under way side by side: what is asked of a disk at once costs less than one
 * by one.
 */
export const CLAIMS_AT_ONCE = 32;

/** How many times that many: while some come back, the next are under way. */
const MOST_BATCHES = 2;

/**
 * Fewer than this are a few: they cost a disk almost as much as many, so they are put off if that
 * keeps nobody waiting.
 */
const A_FEW = 16;

/** What claims work with. */
export interface ClaimsParts {
  /** Claims. */
  readonly claimer: Claimer;
  /** Looks at what was claimed. */
  readonly delivery: Delivery;
  /** What is in flight. */
  readonly gate: Gate;
  /** What waits in memory. */
  readonly lanes: Lanes<Prepared>;
  /** Requests in flight at most, and events in memory besides those. */
  readonly threads: number;
  /** Aborts when the consumer stops. */
  readonly signal: AbortSignal;
  /** Told of each candidate that was claimed here, or by somebody else. */
  readonly onDecided: (isOurs: boolean) => void;
  /** Told of each claimed event that is not to be sent. */
  readonly count: (ending: Ending) => void;
  /** Called when claims are back. */
  readonly onBack: () => void;
}

/** Claims that were begun together. */
interface Batch {
  readonly count: number;
  /** What can be sent of what has been claimed so far. */
  readonly events: Prepared[];
  readonly ended: Promise<void>;
  areBack: boolean;
}

/** The claims of a consumer that are under way. */
export class Claims {
  readonly #parts: ClaimsParts;
  readonly #batches: Batch[] = [];
  readonly #few: number;

  /** None yet. */
  constructor(parts: ClaimsParts) {
    this.#parts = parts;
    this.#few = Math.min(A_FEW, Math.floor(parts.threads / 4));
  }

  /** How many are under way. */
  get underWay(): number {
    return this.#batches.reduce((sum, { count }) => sum + count, 0);
  }

  /**
   * Whether it is time to claim more: not while every thread is busy and enough is in memory, or on
   * its way, to keep it so.
   */
  get areWanted(): boolean {
    if (this.#batches.length >= MOST_BATCHES) return false;
    const { gate, lanes } = this.#parts;
    return gate.hasRoom || lanes.queued + this.underWay < this.#few;
  }

  /**
   * How many may begin now: what they bring has to find room in memory. None while some are on
   * their way and only a few more may.
   */
  get room(): number {
    const { lanes, threads } = this.#parts;
    const { underWay } = this;
    const inMemory = threads - lanes.queued - underWay;
    const room = Math.min(CLAIMS_AT_ONCE, inMemory, lanes.mostClaims(underWay));
    return underWay > 0 && room < this.#few ? 0 : room;
  }

  /** Whether those begun first are back. */
  get areBack(): boolean {
    return this.#batches[0]?.areBack ?? false;
  }

  /** Begin to claim candidates. */
  begin(candidates: readonly Candidate[]): void {
    const events: Prepared[] = [];
    const ended = this.#claim(candidates, (event) => events.push(event));
    const batch: Batch = { count: candidates.length, events, ended, areBack: false };
    this.#batches.push(batch);
    const back = () => {
      batch.areBack = true;
      this.#parts.onBack();
    };
    ended.then(back, back);
  }

  /**
   * The events of the claims begun first, once they are back.
   *
   * @returns With them the disk's failure, if it has refused for too long.
   */
  async next(): Promise<{ readonly events: readonly Prepared[]; readonly failure?: unknown }> {
    const { events, ended } = this.#batches[0]!;
    try {
      await ended;
      return { events };
    } catch (failure) {
      return { events, failure };
    } finally {
      this.#batches.shift();
    }
  }

  /**
   * Claim one candidate and look at it; `undefined` when there is nothing to send.
   *
   * @throws {DiskFailure} If the disk has refused for too long.
   */
  async one(candidate: Candidate): Promise<Prepared | undefined> {
    let event: Prepared | undefined;
    await this.#claim([candidate], (prepared) => event = prepared);
    return event;
  }

  /** Claim candidates and look at them; `keep` is given what can be sent. */
  async #claim(candidates: readonly Candidate[], keep: (event: Prepared) => void): Promise<void> {
    const { claimer, delivery, signal, onDecided, count } = this.#parts;
    const looking: Promise<void>[] = [];
    const end = (prepared: Prepared | Ending) => {
      if (typeof prepared === "object") keep(prepared);
      else count(prepared);
    };
    try {
      await claimer.claim(candidates, signal, ({ claim, taken }) => {
        onDecided(claim !== undefined);
        if (!claim) return;
        const prepared = delivery.prepare(claim, taken);
        if (prepared instanceof Promise) looking.push(prepared.then(end));
        else keep(prepared);
      });
    } finally {
      await Promise.all(looking);
    }
  }
}
