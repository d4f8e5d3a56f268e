/**
 * The lanes of a consumer, and whose turn it is.
 *
 * Round robin between lanes that have something to send and may send it. A lane gets at most half
 * of the threads while another has work. Lanes on which nobody has answered yet get one request at
 * a time then, and share one half of the threads; those of them that have failed share a quarter:
 * many dead destinations leave room for the living, and for those nobody has tried.
 *
 * @module
 */

import { Lane, type LaneChange, type LaneLimits, type Verdict } from "./lane.ts";
import type { Prepared } from "../consumer/delivery.ts";

/** Lanes remembered; beyond that, lanes that are closed and idle are forgotten. */
const MOST_LANES = 2_000;

/** Events claimed and waiting in memory for one lane; half of the threads when those are fewer. */
const LONGEST_QUEUE = 32;

/**
 * What waits in memory for a lane on which nobody has answered for this long gives way to others.
 */
const HUNG_MS = 1_000;

/**
 * A lane that is full, and on which nobody has answered for this long, is not waited for: what
 * comes after its events may be for others, and there is time to look.
 */
const STALLED_MS = 200;

/** One destination's lane and what waits for it in memory. */
export interface Station {
  /** The destination's folder name. */
  readonly destination: string;
  /** Its state. */
  readonly lane: Lane;
  /** Claimed events, the oldest first. */
  readonly queue: Prepared[];
  /** When an attempt ended last, monotonic ms. */
  lastEndMs: number;
  /** What went wrong last. */
  lastError: string;
  /** Whether the next event comes from memory rather than from `defer/`. */
  fromMemory: boolean;
}

/** All lanes. */
export class Lanes {
  readonly #limits: LaneLimits;
  readonly #longestQueue: number;
  readonly #stations = new Map<string, Station>();
  readonly #busy = new Set<Station>();
  readonly #runnable = new Set<Station>();
  #queued = 0;
  #queuedBytes = 0;
  /** Of these, for lanes that are not proven. */
  #unprovenQueued = 0;
  /** When a request to one of those ended last, monotonic ms. */
  #unprovenEndMs = -Infinity;
  #unproven = 0;
  #suspect = 0;

  /**
   * No lane yet.
   *
   * @param longestQueue Events in memory of one lane at most.
   */
  constructor(
    limits: LaneLimits,
    longestQueue: number = Math.min(LONGEST_QUEUE, Math.ceil(limits.most / 2)),
  ) {
    this.#limits = limits;
    this.#longestQueue = longestQueue;
  }

  /** Events in memory. */
  get queued(): number {
    return this.#queued;
  }

  /** Size of their files. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** All of them. */
  get stations(): Iterable<Station> {
    return this.#stations.values();
  }

  /** A destination's, if it has one. */
  get(destination: string): Station | undefined {
    return this.#stations.get(destination);
  }

  /** A destination's, made when there is none. */
  of(destination: string, nowMs: number): Station {
    let station = this.#stations.get(destination);
    if (station) return station;
    if (this.#stations.size >= MOST_LANES) this.#forget(nowMs);
    station = {
      destination,
      lane: new Lane(this.#limits, nowMs),
      queue: [],
      lastEndMs: nowMs,
      lastError: "",
      fromMemory: true,
    };
    this.#stations.set(destination, station);
    return station;
  }

  /**
   * Forget the lanes that know nothing a new one would not; the others too when that is not enough.
   */
  #forget(nowMs: number): void {
    const idle = [...this.#stations.values()].filter((station) => !this.#busy.has(station));
    const dull = idle.filter(({ lane }) => !lane.isClosedOff(nowMs));
    for (const { destination } of dull.length > 0 ? dull : idle) this.#stations.delete(destination);
  }

  /** Whether one more request may go out on a lane right now. */
  admits(station: Station, nowMs: number): boolean {
    return this.readyMs(station, nowMs) <= nowMs;
  }

  /**
   * When one more request may go out on a lane as far as time goes: `nowMs` for now, `Infinity`
   * while only an answer, of this lane or another, or an operator can change that.
   */
  readyMs(station: Station, nowMs: number): number {
    const { lane } = station;
    if (!this.#othersWork(station)) {
      return lane.inFlight < this.#limits.most ? lane.readyMs(nowMs) : Infinity;
    }
    return this.#hasRoomFor(lane) ? lane.readyMs(nowMs) : Infinity;
  }

  /** Whether a lane may have one more request in flight while others have work. */
  #hasRoomFor(lane: Lane): boolean {
    const half = Math.ceil(this.#limits.most / 2);
    if (lane.isProven) return lane.inFlight < half;
    if (lane.inFlight > 0 || this.#unproven >= half) return false;
    return !lane.isFailing || this.#suspect < Math.ceil(half / 2);
  }

  #othersWork(station: Station): boolean {
    return this.#busy.size > (this.#busy.has(station) ? 1 : 0);
  }

  /**
   * Whether a lane takes no more events into memory: one that isn't proven takes few while others
   * have work.
   */
  isFull(station: Station): boolean {
    if (station.queue.length >= this.#longestQueue) return true;
    if (station.lane.isProven || !this.#othersWork(station)) return false;
    return station.queue.length > 0 || this.#isFullOfUnproven();
  }

  /**
   * Whether there is no hurry to take in more for a lane: half of what it may have in memory is
   * left.
   */
  #hasStock(station: Station): boolean {
    return station.queue.length >= this.#longestQueue / 2 || this.isFull(station);
  }

  /**
   * How many more events may be claimed at once besides those that are on their way: if they are
   * all for the one lane that has work, they have to find room there. A lane that is full and not
   * waited for is no measure.
   */
  roomAhead(claiming: number): number {
    if (this.#busy.size === 0) return claiming > 0 ? 0 : Infinity;
    const [station] = this.#busy;
    if (this.#busy.size > 1 || this.isFull(station!)) return Infinity;
    return Math.max(0, this.#longestQueue - station!.queue.length - claiming);
  }

  #isFullOfUnproven(): boolean {
    return this.#unprovenQueued >= this.#limits.most / 4;
  }

  /**
   * The lane that has waited longest for an answer while events wait for it in memory, if that is
   * long.
   */
  hung(nowMs: number): Station | undefined {
    let longest: Station | undefined;
    for (const station of this.#busy) {
      if (station.queue.length === 0 || nowMs - station.lastEndMs < HUNG_MS) continue;
      if (longest === undefined || station.lastEndMs < longest.lastEndMs) longest = station;
    }
    return longest;
  }

  /**
   * Until when to wait instead of parking what is taken in, monotonic ms: the one lane that has
   * work is full, but answers come; or so do all the lanes that aren't proven, which fail fast. The
   * past when there is nothing to wait for.
   */
  waitsUntilMs(nowMs: number): number {
    if (this.#busy.size !== 1) {
      return this.#isFullOfUnproven() ? this.#unprovenEndMs + STALLED_MS : 0;
    }
    const [station] = this.#busy;
    const { lane, lastEndMs } = station!;
    if (!this.#hasStock(station!) || lane.isClosedOff(nowMs)) return 0;
    const readyMs = lane.readyMs(nowMs);
    if (readyMs <= nowMs) return nowMs + 1; // it has enough to send right now
    return readyMs === Infinity ? lastEndMs + STALLED_MS : 0;
  }

  /** Keep a claimed event in memory until its lane may send it. */
  enqueue(station: Station, event: Prepared): void {
    station.queue.push(event);
    this.#countQueued(station, [event], 1);
    this.#busy.add(station);
    this.#runnable.add(station);
  }

  /** The oldest event in memory of a lane. */
  dequeue(station: Station): Prepared | undefined {
    const event = station.queue.shift();
    if (event) this.#countQueued(station, [event], -1);
    this.#rest(station);
    return event;
  }

  /** Some of the events in memory of a lane. */
  take(station: Station, events: readonly Prepared[]): void {
    const taken = new Set(events);
    let kept = 0;
    for (const event of station.queue) if (!taken.has(event)) station.queue[kept++] = event;
    station.queue.length = kept;
    this.#countQueued(station, events, -1);
    this.#rest(station);
  }

  /** All events in memory of a lane. */
  empty(station: Station): Prepared[] {
    const events = station.queue.splice(0);
    this.#countQueued(station, events, -1);
    this.#rest(station);
    return events;
  }

  /** A lane may have something to send. */
  wake(station: Station): void {
    this.#runnable.add(station);
  }

  /**
   * The next lane, in turn, that may send something. It has to be woken again for its next turn.
   */
  next(nowMs: number): Station | undefined {
    for (const station of this.#runnable) {
      this.#runnable.delete(station);
      if (this.admits(station, nowMs)) return station;
    }
    return undefined;
  }

  /** A request goes out. */
  started(station: Station, nowMs: number): LaneChange | undefined {
    this.#count(station, -1);
    const change = station.lane.start(nowMs);
    this.#count(station, 1);
    this.#busy.add(station);
    return change;
  }

  /** A request has ended. */
  ended(
    station: Station,
    nowMs: number,
    verdict: Verdict,
    ms: number,
    random: number,
    event: string,
  ): LaneChange | undefined {
    if (!station.lane.isProven) this.#unprovenEndMs = nowMs;
    this.#count(station, -1);
    const change = station.lane.end(verdict, ms, nowMs, random, event);
    this.#count(station, 1);
    station.lastEndMs = nowMs;
    this.#rest(station);
    this.#runnable.add(station);
    return change;
  }

  #countQueued({ lane }: Station, events: readonly Prepared[], sign: 1 | -1): void {
    this.#queued += sign * events.length;
    for (const { stat } of events) this.#queuedBytes += sign * stat.size;
    if (!lane.isProven) this.#unprovenQueued += sign * events.length;
  }

  /**
   * Keep the numbers of requests in flight and events in memory on lanes that are not proven, and
   * on suspect ones.
   */
  #count({ lane, queue }: Station, sign: 1 | -1): void {
    if (!lane.isProven) {
      this.#unproven += sign * lane.inFlight;
      this.#unprovenQueued += sign * queue.length;
    }
    if (lane.isFailing) this.#suspect += sign * lane.inFlight;
  }

  #rest(station: Station): void {
    if (station.queue.length === 0 && station.lane.inFlight === 0) this.#busy.delete(station);
  }
}
