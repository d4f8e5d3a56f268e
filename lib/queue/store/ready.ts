/**
 * `new/` as a supply of candidates: listed pass after pass, a slice at a time.
 *
 * @module
 */

import type { Candidate } from "../../store/store.ts";
import type { Place } from "../place.ts";
import { Listing } from "./listing.ts";
import type { OnOther } from "./strays.ts";

/** `new/`. */
export class ReadyEvents {
  readonly #place: Place;
  readonly #onOther: OnOther;
  #listing: Listing | undefined;
  /** When the first event that was not due in the last pass is due, Unix ms. */
  nextDueMs = Infinity;

  /** @param onOther Told of every name that is not an event. */
  constructor(place: Place, onOther: OnOther) {
    this.#place = place;
    this.#onOther = onOther;
  }

  /** Whether the last slice ended a pass. */
  get passEnded(): boolean {
    return this.#listing === undefined;
  }

  /**
   * The next slice of what is due; empty at the end of a pass, and the next call begins another.
   *
   * @throws The disk's error, when the folder can't be listed; the next call begins another pass.
   */
  async next(): Promise<readonly Candidate[]> {
    const listing = this.#listing ??= new Listing(this.#place, "new", this.#onOther);
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
