/**
 * The lanes of a consumer, and whose turn it is.
 *
 * Round robin between lanes that have something to send and may send it. A lane gets at most half of the threads while another has
 * work; and lanes on which nobody has answered yet share one half, so that many dead destinations leave room for the living.
 *
 * @module
 */

import { Lane, type LaneLimits } from "../delivery/lane.ts";
import type { Prepared } from "./delivery.ts";

/** Lanes remembered; beyond that, lanes that are closed and idle are forgotten. */
const MOST_LANES = 2_000;

/** Events claimed and waiting in memory for one lane. */
const LONGEST_QUEUE = 16;

/** A lane that is full, and on which nobody has answered for this long, is not waited for. */
const STALLED_MS = 1_000;

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
  #unproven = 0;

  /**
   * No lane yet.
   *
   * @param longestQueue Events in memory of one lane at most.
   */
  constructor(limits: LaneLimits, longestQueue: number = LONGEST_QUEUE) {
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

  /** Forget the lanes that know nothing a new one would not; the others too when that is not enough. */
  #forget(nowMs: number): void {
    const idle = [...this.#stations.values()].filter((station) => !this.#busy.has(station));
    const dull = idle.filter(({ lane }) => !lane.isClosedOff(nowMs));
    for (const { destination } of dull.length > 0 ? dull : idle) this.#stations.delete(destination);
  }

  /** Whether one more request may go out on a lane right now. */
  admits(station: Station, nowMs: number): boolean {
    const { lane } = station;
    if (lane.readyMs(nowMs) > nowMs) return false;
    if (!this.#othersWork(station)) return lane.inFlight < this.#limits.most;
    const half = Math.ceil(this.#limits.most / 2);
    return lane.inFlight < half && (lane.isProven || this.#unproven < half);
  }

  #othersWork(station: Station): boolean {
    return this.#busy.size > (this.#busy.has(station) ? 1 : 0);
  }

  /** Whether a lane takes no more events into memory. */
  isFull(station: Station): boolean {
    return station.queue.length >= this.#longestQueue;
  }

  /**
   * Whether to wait for the one lane that has work instead of parking its events: it is full, but answers come.
   *
   * @param nowMs Monotonic ms.
   */
  isWorthWaiting(nowMs: number): boolean {
    if (this.#busy.size !== 1) return false;
    const [station] = this.#busy;
    if (!this.isFull(station!) || station!.lane.isClosedOff(nowMs)) return false;
    return station!.lane.readyMs(nowMs) === Infinity && nowMs - station!.lastEndMs < STALLED_MS;
  }

  /** Keep a claimed event in memory until its lane may send it. */
  enqueue(station: Station, event: Prepared): void {
    station.queue.push(event);
    this.#queued++;
    this.#queuedBytes += event.stat.size;
    this.#busy.add(station);
    this.#runnable.add(station);
  }

  /** The oldest event in memory of a lane. */
  dequeue(station: Station): Prepared | undefined {
    const event = station.queue.shift();
    if (event) this.#gone([event]);
    this.#rest(station);
    return event;
  }

  /** Some of the events in memory of a lane. */
  take(station: Station, events: readonly Prepared[]): void {
    const taken = new Set(events);
    let kept = 0;
    for (const event of station.queue) if (!taken.has(event)) station.queue[kept++] = event;
    station.queue.length = kept;
    this.#gone(events);
    this.#rest(station);
  }

  /** All events in memory of a lane. */
  empty(station: Station): Prepared[] {
    const events = station.queue.splice(0);
    this.#gone(events);
    this.#rest(station);
    return events;
  }

  #gone(events: readonly Prepared[]): void {
    this.#queued -= events.length;
    for (const { stat } of events) this.#queuedBytes -= stat.size;
  }

  /** A lane may have something to send. */
  wake(station: Station): void {
    this.#runnable.add(station);
  }

  /** The next lane, in turn, that may send something. It has to be woken again for its next turn. */
  next(nowMs: number): Station | undefined {
    for (const station of this.#runnable) {
      this.#runnable.delete(station);
      if (this.admits(station, nowMs)) return station;
    }
    return undefined;
  }

  /** A request goes out. */
  started(station: Station, nowMs: number): ReturnType<Lane["start"]> {
    this.#count(station, -1);
    const change = station.lane.start(nowMs);
    this.#count(station, 1);
    this.#busy.add(station);
    return change;
  }

  /** A request has ended. */
  ended(station: Station, nowMs: number, ...verdict: EndArguments): ReturnType<Lane["end"]> {
    const [what, ms, random] = verdict;
    this.#count(station, -1);
    const change = station.lane.end(what, ms, nowMs, random);
    this.#count(station, 1);
    station.lastEndMs = nowMs;
    this.#rest(station);
    this.#runnable.add(station);
    return change;
  }

  /** Keep the number of requests in flight on lanes that are not proven. */
  #count({ lane }: Station, sign: 1 | -1): void {
    if (!lane.isProven) this.#unproven += sign * lane.inFlight;
  }

  #rest(station: Station): void {
    if (station.queue.length === 0 && station.lane.inFlight === 0) this.#busy.delete(station);
  }
}

type EndArguments = readonly [verdict: Parameters<Lane["end"]>[0], ms: number, random: number];
