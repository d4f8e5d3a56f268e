/**
 * The lanes of a consumer: what is known of each destination, what waits for it in memory, and
 * whose turn it is to send.
 *
 * Put together from the {@linkcode Registry} (which lanes there are), {@linkcode Memory} (how much
 * may wait), {@linkcode Shares} (who may have one more request in flight) and {@linkcode Turns}
 * (who is next).
 *
 * Pure: time and chance are arguments, all times in ms of the monotonic clock.
 *
 * @module
 */

import type { LaneChange, LaneLimits } from "./lane.ts";
import { Memory } from "./memory.ts";
import { Registry, type RegistryLimits } from "./registry.ts";
import { Shares, type Suspect, SUSPECTS } from "./shares.ts";
import type { Flight, Station } from "./station.ts";
import { type Refusal, Turns } from "./turns.ts";
import type { Verdict } from "./verdict.ts";

export type { Flight, Station } from "./station.ts";

/** All lanes; `T` is an event that waits in memory, with the size that it has there. */
export class Lanes<T extends { readonly bytes: number }> {
  readonly #busy = new Set<Station<T>>();
  readonly #registry: Registry<T>;
  readonly #memory: Memory<T>;
  readonly #shares: Shares<T>;
  readonly #turns = new Turns<Station<T>, Suspect>(SUSPECTS);

  /**
   * No lane yet.
   *
   * @param longestQueue Events in memory of one lane at most.
   */
  constructor(limits: LaneLimits, longestQueue?: number, remembered?: RegistryLimits) {
    this.#memory = new Memory(limits.most, this.#busy, longestQueue);
    this.#shares = new Shares(limits.most, this.#busy);
    this.#registry = new Registry(
      limits,
      (station) => this.#busy.has(station),
      (station) => this.#turns.forget(station),
      remembered,
    );
  }

  /** Events in memory. */
  get queued(): number {
    return this.#memory.events;
  }

  /** Their size. */
  get queuedBytes(): number {
    return this.#memory.bytes;
  }

  /** All of them, but idle ones of which only is remembered why they are closed off. */
  get stations(): Iterable<Station<T>> {
    return this.#registry.stations;
  }

  /** Destinations that are held. */
  held(): Iterable<string> {
    return this.#registry.held();
  }

  /** Whether a destination is held. */
  isHeld(destination: string): boolean {
    return this.#registry.isHeld(destination);
  }

  /**
   * Hold a destination or hold it no more, as an operator wants. It gets no lane by that: lanes are
   * for destinations which have something to send.
   */
  setHeld(destination: string, isHeld: boolean): void {
    this.#registry.setHeld(destination, isHeld);
    const station = this.#registry.get(destination);
    if (station && !isHeld) this.#turns.wake(station);
  }

  /** A destination's, if it is among {@linkcode Lanes.stations}. */
  get(destination: string): Station<T> | undefined {
    return this.#registry.get(destination);
  }

  /**
   * A destination's, made when there is none. What is closed off stays so, however many others come
   * in between.
   */
  of(destination: string, nowMs: number): Station<T> {
    return this.#registry.of(destination, nowMs);
  }

  /** Whether one more request may go out on a lane right now. */
  admits(station: Station<T>, nowMs: number): boolean {
    return this.readyMs(station, nowMs) <= nowMs;
  }

  /**
   * When one more request may go out on a lane as far as time goes: `nowMs` for now, `Infinity`
   * while only an answer, of this lane or another, or an operator can change that.
   */
  readyMs(station: Station<T>, nowMs: number): number {
    return this.#shares.allow(station, nowMs) ? station.lane.readyMs(nowMs) : Infinity;
  }

  /**
   * Whether a lane takes no more events into memory: one that isn't proven takes few while others
   * have work.
   */
  isFull(station: Station<T>): boolean {
    return this.#memory.isFull(station);
  }

  /** How many more events may be claimed at once, besides those that are being claimed. */
  mostClaims(claiming: number): number {
    return this.#memory.mostClaims(claiming);
  }

  /** When more events may be claimed, monotonic ms; the past for now. */
  claimsFromMs(nowMs: number): number {
    return this.#memory.claimsFromMs(nowMs, (station) => this.readyMs(station, nowMs));
  }

  /**
   * The lane that has been silent for longest, while events wait for it in memory, if that is long.
   */
  mostSilent(nowMs: number): Station<T> | undefined {
    return this.#memory.mostSilent(nowMs);
  }

  /** Keep a claimed event in memory until its lane may send it. */
  enqueue(station: Station<T>, event: T): void {
    station.queue.push(event);
    this.#memory.added(station, [event]);
    this.#busy.add(station);
    this.#turns.wake(station);
  }

  /** The oldest event in memory of a lane. */
  dequeue(station: Station<T>): T | undefined {
    const event = station.queue.shift();
    if (event) this.#removed(station, [event]);
    return event;
  }

  /** Some of the events in memory of a lane. */
  take(station: Station<T>, events: readonly T[]): void {
    const taken = new Set(events);
    let kept = 0;
    for (const event of station.queue) if (!taken.has(event)) station.queue[kept++] = event;
    station.queue.length = kept;
    this.#removed(station, events);
  }

  /** All events in memory of a lane. */
  empty(station: Station<T>): T[] {
    const events = station.queue.splice(0);
    this.#removed(station, events);
    return events;
  }

  #removed(station: Station<T>, events: readonly T[]): void {
    this.#memory.removed(station, events);
    this.#rest(station);
  }

  /** A lane may have something to send. */
  wake(station: Station<T>): void {
    this.#turns.wake(station);
  }

  /**
   * The next lane, in turn, that may send something. It has to be woken again for its next turn.
   */
  next(nowMs: number): Station<T> | undefined {
    return this.#turns.next(
      (station) => this.#refusal(station, nowMs),
      (standing) => this.#shares.room(standing, nowMs),
    );
  }

  #refusal(station: Station<T>, nowMs: number): Refusal<Suspect> | undefined {
    if (station.lane.readyMs(nowMs) > nowMs) return "other";
    if (this.#shares.allow(station, nowMs)) return undefined;
    const standing = this.#shares.standing(station);
    return standing !== "trusted" && this.#shares.room(standing, nowMs) <= 0 ? standing : "other";
  }

  /** A request begins. */
  started(station: Station<T>, nowMs: number): Flight<T> {
    this.#before(station, nowMs);
    const flight: Flight<T> = { station, startMs: nowMs, change: station.lane.start(nowMs) };
    station.flights.add(flight);
    this.#busy.add(station);
    this.#after(station, nowMs);
    return flight;
  }

  /**
   * A request has ended.
   *
   * @param ms How long the attempt took.
   * @param random Uniform in [0, 1).
   * @param event Which event it was.
   */
  ended(
    flight: Flight<T>,
    nowMs: number,
    verdict: Verdict,
    ms: number,
    random: number,
    event: string,
  ): LaneChange | undefined {
    const { station } = flight;
    this.#memory.ending(station, nowMs);
    this.#before(station, nowMs);
    station.flights.delete(flight);
    const change = station.lane.end(verdict, ms, nowMs, random, event);
    station.lastEndMs = nowMs;
    this.#after(station, nowMs);
    this.#rest(station);
    this.#turns.wake(station);
    this.#turns.unblock((standing) => this.#shares.room(standing, nowMs));
    return change;
  }

  #before(station: Station<T>, nowMs: number): void {
    this.#shares.before(station, nowMs);
    this.#memory.before(station);
  }

  #after(station: Station<T>, nowMs: number): void {
    this.#shares.after(station, nowMs);
    this.#memory.after(station);
  }

  #rest(station: Station<T>): void {
    if (station.queue.length === 0 && station.flights.size === 0) this.#busy.delete(station);
  }
}
