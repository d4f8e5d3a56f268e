/**
 * `new/` as a supply of candidates: listed pass after pass, a slice at a time.
 *
 * @module
 */

import { type Candidate, Listing, type NotAnEvent } from "./listing.ts";
import type { Queue } from "../queue.ts";

/** A supply of candidates. */
export interface Source {
  /**
   * The next slice of what is due; empty at the end of a pass, and the next call begins another.
   *
   * @throws The disk's error, when a folder can't be listed; the next call begins another pass.
   */
  next(): Promise<Candidate[]>;
  /** Whether the last slice ended a pass. */
  readonly passEnded: boolean;
  /** When the first event that was not due in the last pass is due, Unix ms. */
  readonly nextDueMs: number;
}

/** Told of every path below the base directory that is not an event. */
export type OnOther = (path: string, why: NotAnEvent) => void;

/** `new/`. */
export class ReadyEvents implements Source {
  readonly #queue: Queue;
  readonly #onOther: OnOther;
  #listing: Listing | undefined;
  nextDueMs = Infinity;

  constructor(queue: Queue, onOther: OnOther) {
    this.#queue = queue;
    this.#onOther = onOther;
  }

  get passEnded(): boolean {
    return this.#listing === undefined;
  }

  async next(): Promise<Candidate[]> {
    const listing = this.#listing ??= new Listing(this.#queue.place, "new", this.#onOther);
    try {
      const slice = await listing.next();
      if (!listing.ended) return slice;
      this.nextDueMs = listing.found.nextDueMs;
      this.#listing = undefined;
      return slice;
    } catch (error) {
      this.#listing = undefined;
      // What was due may still be, and can't be seen: no reason to look again at once.
      this.nextDueMs = Infinity;
      throw error;
    }
  }
}
