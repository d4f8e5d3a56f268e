/**
 * `new/` as a supply of candidates: listed pass after pass, a slice at a time.
 *
 * @module
 */

import type { Candidate } from "../../store/store.ts";
import type { Place } from "../place.ts";
import { Listing } from "./listing.ts";
import type { Postponed } from "./postponed.ts";
import type { OnOther } from "./strays.ts";

/** Most events that are moved away in one pass: what is due is not to wait for more. */
const MOST_POSTPONED = 4_096;

/** `new/`. */
export class ReadyEvents {
  readonly #place: Place;
  readonly #onOther: OnOther;
  readonly #later: Postponed;
  #triedInPass = 0;
  #movedInPass = 0;
  #listing: Listing | undefined;
  /** When the first event that was not due in the last pass is due, Unix ms. */
  nextDueMs = Infinity;

  /**
   * @param onOther Told of every name that is not an event.
   * @param later Takes those that are due much later.
   */
  constructor(place: Place, onOther: OnOther, later: Postponed) {
    this.#place = place;
    this.#later = later;
    this.#onOther = onOther;
  }

  /** Whether the last slice ended a pass. */
  get passEnded(): boolean {
    return this.#listing === undefined;
  }

  /** Whether the last pass has moved away as many as it may: the next one will move more. */
  get mayPostponeMore(): boolean {
    return this.#movedInPass >= MOST_POSTPONED;
  }

  /**
   * The next slice of what is due; empty at the end of a pass, and the next call begins another.
   *
   * @throws The disk's error, when the folder can't be listed; the next call begins another pass.
   */
  async next(): Promise<readonly Candidate[]> {
    const listing = this.#listing ??= this.#begin();
    try {
      const slice = await listing.next();
      await this.#postpone(listing.takeLater());
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
  #begin(): Listing {
    this.#triedInPass = this.#movedInPass = 0;
    return new Listing(this.#place, "new", this.#onOther, true);
  }

  async #postpone(names: readonly string[]): Promise<void> {
    const some = names.slice(0, MOST_POSTPONED - this.#triedInPass);
    this.#triedInPass += some.length;
    this.#movedInPass += await this.#later.move(some);
  }
}
