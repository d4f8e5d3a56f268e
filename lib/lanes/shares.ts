/**
 * A lane's share of the concurrency: whether it may have one more request in flight beside the
 * others.
 *
 * | standing of a lane                                | alone | while others have work     |
 * | ------------------------------------------------- | ----- | -------------------------- |
 * | trusted: it answers well                          | all   | half                       |
 * | hanging: it did, and now a request takes too long | half  | a quarter for all of these |
 * | untried: nobody has answered, nothing failed      | 4     | 1                          |
 * | failing: nobody has answered, or not lately       | 4     | 1, a quarter for all       |
 *
 * All that are not trusted are suspects, and have half of the concurrency together: probes too. So
 * an endpoint that takes requests and never ends them leaves the other half to those that answer.
 * What hangs leaves a quarter to those that nobody has tried, or which may be well again.
 *
 * Whatever a lane's standing was when its requests began counts no more: a trusted lane that begins
 * to hang gets nothing until it has less than its share as a hanging one.
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

import { hangsAtMs, type LaneEntry } from "./lane_entry.ts";

/** What is thought of a lane. */
export type Standing = "trusted" | "hanging" | "untried" | "failing";

/** The standing of a suspect. */
export type Suspect = Exclude<Standing, "trusted">;

/** All of these. */
export const SUSPECTS: readonly Suspect[] = ["hanging", "untried", "failing"];

/**
 * Requests in flight of a lane that is alone, and on which nobody has answered. A few, since what
 * comes back may be worse than nothing: answers without end keep the whole process busy.
 */
const FIRST_REQUESTS = 4;

/** The shares of all lanes. */
export class Shares<T> {
  readonly #limits: { readonly most: number };
  /** Lanes with events in memory or requests in flight. */
  readonly #busy: ReadonlySet<LaneEntry<T>>;
  readonly #inFlight: Record<Standing, number> = { trusted: 0, hanging: 0, untried: 0, failing: 0 };
  readonly #hanging = new Set<LaneEntry<T>>();
  /** No trusted lane begins to hang before that. */
  #nextHangMs = Infinity;

  /**
   * Nothing in flight.
   *
   * @param limits Requests in flight at most, at each moment.
   * @param busy Lanes with events in memory or requests in flight, kept by the caller.
   */
  constructor(limits: { readonly most: number }, busy: ReadonlySet<LaneEntry<T>>) {
    this.#limits = limits;
    this.#busy = busy;
  }

  get #half(): number {
    return Math.ceil(this.#limits.most / 2);
  }

  get #quarter(): number {
    return Math.ceil(this.#half / 2);
  }

  /** What is thought of a lane, as of the last look at the clock. */
  standing(entry: LaneEntry<T>): Standing {
    const { lane } = entry;
    if (lane.isProven) return this.#hanging.has(entry) ? "hanging" : "trusted";
    return lane.isFailing ? "failing" : "untried";
  }

  /** Whether others have events in memory or requests in flight. */
  areOthersBusy(entry: LaneEntry<T>): boolean {
    return this.#busy.size > (this.#busy.has(entry) ? 1 : 0);
  }

  /** Whether a lane may have one more request in flight. */
  allow(entry: LaneEntry<T>, nowMs: number): boolean {
    this.#look(nowMs);
    const standing = this.standing(entry);
    const { inFlight } = entry.lane;
    if (this.areOthersBusy(entry)) {
      if (standing === "trusted") return inFlight < this.#half;
      return (standing === "hanging" || inFlight === 0) && this.room(standing, nowMs) > 0;
    }
    if (standing === "trusted") return inFlight < this.#limits.most;
    return inFlight < (standing === "hanging" ? this.#half : FIRST_REQUESTS);
  }

  /** How many more requests all suspects of a standing may have, while others have work. */
  room(standing: Suspect, nowMs: number): number {
    this.#look(nowMs);
    const { hanging, untried, failing } = this.#inFlight;
    const ofAll = this.#half - this.#suspects;
    if (standing === "hanging") return Math.min(ofAll, this.#quarter - hanging);
    const ofTheseTwo = Math.max(ofAll, this.#quarter - untried - failing);
    return standing === "untried" ? ofTheseTwo : Math.min(ofTheseTwo, this.#quarter - failing);
  }

  get #suspects(): number {
    const { hanging, untried, failing } = this.#inFlight;
    return hanging + untried + failing;
  }

  /** A request begins or ends: count a lane's no more, until {@linkcode Shares.after}. */
  before(entry: LaneEntry<T>, nowMs: number): void {
    this.#look(nowMs);
    this.#inFlight[this.standing(entry)] -= entry.flights.size;
  }

  /** A request has begun or ended. */
  after(entry: LaneEntry<T>, nowMs: number): void {
    const atMs = hangsAtMs(entry);
    if (atMs <= nowMs) this.#hanging.add(entry);
    else {
      this.#hanging.delete(entry);
      this.#nextHangMs = Math.min(this.#nextHangMs, atMs);
    }
    this.#inFlight[this.standing(entry)] += entry.flights.size;
  }

  /** Notice which lanes have begun to hang. */
  #look(nowMs: number): void {
    if (nowMs < this.#nextHangMs) return;
    this.#nextHangMs = Infinity;
    for (const entry of this.#busy) {
      if (this.#hanging.has(entry)) continue;
      const atMs = hangsAtMs(entry);
      if (atMs > nowMs) this.#nextHangMs = Math.min(this.#nextHangMs, atMs);
      else {
        this.#inFlight[this.standing(entry)] -= entry.flights.size;
        this.#hanging.add(entry);
        this.#inFlight[this.standing(entry)] += entry.flights.size;
      }
    }
  }
}
