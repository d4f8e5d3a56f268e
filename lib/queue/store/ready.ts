/**
 * `new/` as a supply of candidates: listed pass after pass, a slice at a time. Each consumer takes
 * its own part of the events; others' only when they have waited.
 *
 * @module
 */

import type { Candidate } from "../../store/store.ts";
import type { Place } from "../place.ts";
import { Listing } from "./listing.ts";
import { OthersEvents } from "./others.ts";
import type { Parts } from "./parts.ts";
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
  readonly #parts: Parts;
  readonly #others = new OthersEvents();
  #listing: Listing | undefined;
  /** When the first event that was not due in the last pass is due, Unix ms. */
  nextDueMs = Infinity;

  /** Whether others' events are offered like its own. */
  takesAll = false;

  /**
   * @param onOther Told of every name that is not an event.
   * @param later Takes those that are due much later.
   * @param parts Which events are whose.
   */
  constructor(place: Place, onOther: OnOther, later: Postponed, parts: Parts) {
    this.#place = place;
    this.#later = later;
    this.#parts = parts;
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

  /** Whether the last pass left out events that are others'. */
  get leftOthers(): boolean {
    return this.#others.hasAny;
  }

  /** When others' events may be offered, monotonic ms; `Infinity` when none was seen. */
  get othersMs(): number {
    return this.#others.ripeMs;
  }

  /** Others' events that have waited in vain. To be asked at the end of a pass. */
  get waiting(): readonly Candidate[] {
    return this.#others.ripe("new", this.#place.runtime.clock.monotonic());
  }

  /** Begin another pass: the parts have changed. */
  restart(): void {
    this.#listing = undefined;
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
      this.#others.end();
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
    this.#others.begin();
    const nowMs = this.#place.runtime.clock.monotonic();
    return new Listing(this.#place, "new", this.#onOther, true, ({ id }, text) => {
      if (this.takesAll || this.#parts.isOurs(id)) return true;
      this.#others.note(text, nowMs);
      return false;
    });
  }

  async #postpone(names: readonly string[]): Promise<void> {
    const some = names.slice(0, MOST_POSTPONED - this.#triedInPass);
    this.#triedInPass += some.length;
    this.#movedInPass += await this.#later.move(some);
  }
}
