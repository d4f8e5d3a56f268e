/**
 * An entry: the lane of one destination, its requests in flight, and its events in memory.
 *
 * @module
 */

import type { Lane, LaneChange } from "./lane.ts";

/** One destination's lane and what belongs to it. */
export interface LaneEntry<T> {
  /** The destination's folder name. */
  readonly destination: string;
  /** Its state. */
  readonly lane: Lane;
  /** Claimed events, the oldest first. */
  readonly queue: T[];
  /** Requests in flight, in the order in which they began. */
  readonly flights: Set<Flight<T>>;
  /** When an attempt ended last, monotonic ms. */
  lastEndMs: number;
  /** What went wrong last. */
  lastError: string;
  /** Which part of the requests was said to get through, 0 to 1. */
  toldShare: number;
  /** Whether the next event comes from memory rather than from `defer/`. */
  fromMemory: boolean;
}

/** A request in flight. */
export interface Flight<T> {
  /** Whose. */
  readonly entry: LaneEntry<T>;
  /** When it began, monotonic ms. */
  readonly startMs: number;
  /** What its beginning changed. */
  readonly change: LaneChange | undefined;
}

/** When a lane's oldest request in flight takes too long, monotonic ms; `Infinity` without one. */
export function hangsAtMs<T>({ lane, flights }: LaneEntry<T>): number {
  for (const { startMs } of flights) return startMs + lane.longMs;
  return Infinity;
}
