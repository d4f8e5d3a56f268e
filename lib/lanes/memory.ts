/**
 * How many events may be in memory, claimed and not sent yet, and when to claim more.
 *
 * | lane                  | events in memory, alone             | while others have work         |
 * | --------------------- | ----------------------------------- | ------------------------------ |
 * | somebody has answered | half of the concurrency, at most 32 | the same                       |
 * | nobody has answered   | the same                            | 1, and a quarter for all these |
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

import type { LaneEntry } from "./lane_entry.ts";

/** Events in memory for one lane; half of the concurrency when that is less. */
const LONGEST_QUEUE = 32;

/**
 * A lane that is full, and on which nobody has answered for this long, is not waited for: what
 * comes after its events may be for others, and there is time to look.
 */
const STALLED_MS = 200;

/** What waits in memory for a lane that is silent for this long gives way to others. */
const SILENT_MS = 1_000;

/** Counts the events in memory of all lanes. */
export class Memory<T extends { readonly bytes: number }> {
  readonly #longestQueue: number;
  readonly #limits: { readonly most: number };
  /** Lanes with events in memory or requests in flight. */
  readonly #busy: ReadonlySet<LaneEntry<T>>;
  #events = 0;
  #bytes = 0;
  /** Of the events, those for lanes that are not proven. */
  #unproven = 0;
  /** When a request to one of those ended last, monotonic ms. */
  #unprovenEndMs = -Infinity;

  /**
   * Nothing in memory.
   *
   * @param limits Requests in flight at most, at each moment.
   * @param busy Lanes with events in memory or requests in flight, kept by the caller.
   * @param longestQueue Events in memory of one lane at most.
   */
  constructor(
    limits: { readonly most: number },
    busy: ReadonlySet<LaneEntry<T>>,
    longestQueue: number = Math.min(LONGEST_QUEUE, Math.ceil(limits.most / 2)),
  ) {
    this.#longestQueue = longestQueue;
    this.#limits = limits;
    this.#busy = busy;
  }

  /** Events in memory. */
  get events(): number {
    return this.#events;
  }

  /** Their size. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Events have come into a lane's memory. */
  added(entry: LaneEntry<T>, events: readonly T[]): void {
    this.#count(entry, events, 1);
  }

  /** Events have left a lane's memory. */
  removed(entry: LaneEntry<T>, events: readonly T[]): void {
    this.#count(entry, events, -1);
  }

  #count({ lane }: LaneEntry<T>, events: readonly T[], sign: 1 | -1): void {
    this.#events += sign * events.length;
    for (const { bytes } of events) this.#bytes += sign * bytes;
    if (!lane.isProven) this.#unproven += sign * events.length;
  }

  /** A request begins or ends: count a lane's no more, until {@linkcode Memory.after}. */
  before({ lane, queue }: LaneEntry<T>): void {
    if (!lane.isProven) this.#unproven -= queue.length;
  }

  /** A request has begun or ended. */
  after({ lane, queue }: LaneEntry<T>): void {
    if (!lane.isProven) this.#unproven += queue.length;
  }

  /** A request ends, now. */
  ending({ lane }: LaneEntry<T>, nowMs: number): void {
    if (!lane.isProven) this.#unprovenEndMs = nowMs;
  }

  /** Whether a lane takes no more events. */
  isFull(entry: LaneEntry<T>): boolean {
    const { lane, queue } = entry;
    if (queue.length >= this.#longestQueue) return true;
    const isAlone = this.#busy.size <= (this.#busy.has(entry) ? 1 : 0);
    if (lane.isProven || isAlone) return false;
    return queue.length > 0 || this.#isFullOfUnproven;
  }

  get #isFullOfUnproven(): boolean {
    return this.#unproven >= this.#limits.most / 4;
  }

  /**
   * How many more events may be claimed at once, besides those that are being claimed. While only
   * one lane has work they may all be for that, and must find room there. A lane that is full does
   * not count: its events are parked.
   */
  mostClaims(claiming: number): number {
    const [entry] = this.#busy;
    if (!entry) return claiming > 0 ? 0 : Infinity;
    if (this.#busy.size > 1 || this.isFull(entry)) return Infinity;
    return Math.max(0, this.#longestQueue - entry.queue.length - claiming);
  }

  /**
   * When more events may be claimed, monotonic ms; the past for now.
   *
   * What a full lane can't take is parked. That is put off while the lane gets emptier: one that is
   * alone for as long as answers come, all that are not proven for as long as they fail fast.
   *
   * @param readyMs When a lane may send, `Infinity` while time alone doesn't change that.
   */
  claimsFromMs(nowMs: number, readyMs: (entry: LaneEntry<T>) => number): number {
    if (this.#busy.size !== 1) {
      return this.#isFullOfUnproven ? this.#unprovenEndMs + STALLED_MS : 0;
    }
    const [entry] = this.#busy as Set<LaneEntry<T>>;
    const { lane, lastEndMs } = entry!;
    if (!this.#isHalfFull(entry!) || lane.isClosedOff(nowMs)) return 0;
    const atMs = readyMs(entry!);
    if (atMs <= nowMs) return nowMs + 1; // it has enough to send right now
    return atMs === Infinity ? lastEndMs + STALLED_MS : 0;
  }

  #isHalfFull(entry: LaneEntry<T>): boolean {
    return entry.queue.length >= this.#longestQueue / 2 || this.isFull(entry);
  }

  /**
   * The lane that has been silent for longest, while events wait for it in memory, if that is long.
   */
  mostSilent(nowMs: number): LaneEntry<T> | undefined {
    let found: LaneEntry<T> | undefined;
    for (const entry of this.#busy) {
      if (entry.queue.length === 0 || nowMs - entry.lastEndMs < SILENT_MS) continue;
      if (found === undefined || entry.lastEndMs < found.lastEndMs) found = entry;
    }
    return found;
  }
}
