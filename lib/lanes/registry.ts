/**
 * The lanes of all destinations, by name; and which of them may be forgotten.
 *
 * | lane                                   | beyond 2,000 lanes                            |
 * | -------------------------------------- | --------------------------------------------- |
 * | events in memory or requests in flight | is kept                                       |
 * | closed off: held, left alone, or down  | only why is kept; it is made again like that  |
 * | nobody has answered                    | is forgotten, the one used least lately first |
 * | somebody has answered                  | is forgotten when those don't suffice         |
 *
 * Beyond 100,000 destinations of which only that is kept, those which were down for longest are
 * forgotten; held ones never. A destination that is down and was forgotten gets one request at a
 * time while others have work, until it has failed often enough again.
 *
 * @module
 */

import { type ClosedOff, Lane, type LaneLimits } from "./lane.ts";
import type { LaneEntry } from "./lane_entry.ts";

/** How much is remembered. */
export interface RegistryLimits {
  /** Lanes, beside those that are busy. */
  readonly lanes: number;
  /** Destinations of which only that is kept, beside those that are held. */
  readonly closedOff: number;
}

/** The part that is forgotten at once. */
const FORGOTTEN_SHARE = 1 / 4;

/** What is kept of a lane that is closed off. */
interface Kept {
  readonly why: ClosedOff;
  readonly lastError: string;
}

const NOTHING: Kept = {
  why: { isHeld: false, untilMs: 0, open: undefined, awaySinceMs: undefined },
  lastError: "",
};

/** The lanes of all destinations. */
export class Registry<T> {
  readonly #limits: LaneLimits;
  readonly #isBusy: (entry: LaneEntry<T>) => boolean;
  readonly #onForgotten: (entry: LaneEntry<T>) => void;
  readonly #most: RegistryLimits;
  /** The one used least lately first. */
  readonly #entries = new Map<string, LaneEntry<T>>();
  /** Those that are closed off and not held, the longest time first. */
  readonly #closedOff = new Map<string, Kept>();
  /** Those that are held. */
  readonly #held = new Map<string, Kept>();

  /**
   * No lane yet.
   *
   * @param isBusy Whether a lane has events in memory or requests in flight.
   * @param onForgotten Told of each lane that is no more.
   */
  constructor(
    limits: LaneLimits,
    isBusy: (entry: LaneEntry<T>) => boolean,
    onForgotten: (entry: LaneEntry<T>) => void,
    most: RegistryLimits = { lanes: 2_000, closedOff: 100_000 },
  ) {
    this.#limits = limits;
    this.#isBusy = isBusy;
    this.#onForgotten = onForgotten;
    this.#most = most;
  }

  /** All lanes, but those of which only is known why they are closed off. */
  get entries(): Iterable<LaneEntry<T>> {
    return this.#entries.values();
  }

  /** Destinations of which only is known why they are closed off. */
  get closedOff(): number {
    return this.#closedOff.size + this.#held.size;
  }

  /** Destinations that are held. */
  *held(): Iterable<string> {
    for (const { destination, lane } of this.#entries.values()) if (lane.isHeld) yield destination;
    yield* this.#held.keys();
  }

  /** Whether a destination is held. */
  isHeld(destination: string): boolean {
    return this.#entries.get(destination)?.lane.isHeld ?? this.#held.has(destination);
  }

  /** Hold a destination or hold it no more, without making it a lane. */
  setHeld(destination: string, isHeld: boolean): void {
    const lane = this.#entries.get(destination)?.lane;
    if (lane) lane.isHeld = isHeld;
    else if (this.#held.has(destination) !== isHeld) {
      const { why, lastError } = this.#forgetKept(destination) ?? NOTHING;
      this.#keep(destination, { why: { ...why, isHeld }, lastError });
    }
  }

  #keep(destination: string, kept: Kept): void {
    const { isHeld, untilMs, awaySinceMs } = kept.why; // what is down is away
    if (isHeld) this.#held.set(destination, kept);
    else if (awaySinceMs !== undefined || untilMs > 0) this.#closedOff.set(destination, kept);
  }

  /** What is kept of a destination, which is kept no more. */
  #forgetKept(destination: string): Kept | undefined {
    const kept = this.#held.get(destination) ?? this.#closedOff.get(destination);
    this.#held.delete(destination);
    this.#closedOff.delete(destination);
    return kept;
  }

  /** A destination's lane, if there is one. */
  get(destination: string): LaneEntry<T> | undefined {
    return this.#entries.get(destination);
  }

  /** A destination's lane, made when there is none. */
  of(destination: string, nowMs: number): LaneEntry<T> {
    const known = this.#entries.get(destination);
    if (known) {
      this.#entries.delete(destination);
      this.#entries.set(destination, known);
      return known;
    }
    if (this.#entries.size >= this.#most.lanes) this.#forget(nowMs);
    const kept = this.#forgetKept(destination);
    const entry: LaneEntry<T> = {
      destination,
      lane: new Lane(this.#limits.of?.(destination) ?? this.#limits, nowMs, kept?.why),
      queue: [],
      flights: new Set(),
      lastEndMs: nowMs,
      lastError: kept?.lastError ?? "",
      toldShare: 1,
      fromMemory: true,
    };
    this.#entries.set(destination, entry);
    return entry;
  }

  #forget(nowMs: number): void {
    let left = Math.ceil(this.#most.lanes * FORGOTTEN_SHARE);
    for (const areProven of [false, true]) {
      for (const entry of this.#entries.values()) {
        if (left === 0) break;
        if (entry.lane.isProven !== areProven || this.#isBusy(entry)) continue;
        this.#keepClosedOff(entry, nowMs);
        this.#entries.delete(entry.destination);
        this.#onForgotten(entry);
        left--;
      }
    }
  }

  #keepClosedOff({ destination, lane, lastError }: LaneEntry<T>, nowMs: number): void {
    const why = lane.closedOff(nowMs);
    if (!why) return;
    const isFull = this.#closedOff.size >= this.#most.closedOff;
    if (!why.isHeld && isFull) this.#forgetClosedOff(nowMs);
    this.#keep(destination, { why, lastError });
  }

  #forgetClosedOff(nowMs: number): void {
    for (const [destination, { why }] of this.#closedOff) {
      if (why.awaySinceMs === undefined && why.untilMs <= nowMs) {
        this.#closedOff.delete(destination);
      }
    }
    let left = this.#closedOff.size - this.#most.closedOff * (1 - FORGOTTEN_SHARE);
    for (const destination of this.#closedOff.keys()) {
      if (left-- <= 0) break;
      this.#closedOff.delete(destination);
    }
  }
}
