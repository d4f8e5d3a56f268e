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
import type { Flight, LaneEntry } from "./lane_entry.ts";
import { type Refusal, Turns } from "./turns.ts";
import type { Verdict } from "./verdict.ts";

export type { Flight, LaneEntry } from "./lane_entry.ts";

/** All lanes; `T` is an event that waits in memory, with the size that it has there. */
export class Lanes<T extends { readonly bytes: number }> {
  readonly #busy = new Set<LaneEntry<T>>();
  readonly #registry: Registry<T>;
  readonly #memory: Memory<T>;
  readonly #shares: Shares<T>;
  readonly #turns = new Turns<LaneEntry<T>, Suspect>(SUSPECTS);

  /**
   * No lane yet.
   *
   * @param longestQueue Events in memory of one lane at most.
   */
  constructor(limits: LaneLimits, longestQueue?: number, remembered?: RegistryLimits) {
    this.#memory = new Memory(limits, this.#busy, longestQueue);
    this.#shares = new Shares(limits, this.#busy);
    this.#registry = new Registry(
      limits,
      (entry) => this.#busy.has(entry),
      (entry) => this.#turns.forget(entry),
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
  get entries(): Iterable<LaneEntry<T>> {
    return this.#registry.entries;
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
    const entry = this.#registry.get(destination);
    if (entry && !isHeld) this.#turns.wake(entry);
  }

  /** A destination's, if it is among {@linkcode Lanes.entries}. */
  get(destination: string): LaneEntry<T> | undefined {
    return this.#registry.get(destination);
  }

  /**
   * A destination's, made when there is none. What is closed off stays so, however many others come
   * in between.
   */
  of(destination: string, nowMs: number): LaneEntry<T> {
    return this.#registry.of(destination, nowMs);
  }

  /** Whether one more request may go out on a lane right now. */
  admits(entry: LaneEntry<T>, nowMs: number): boolean {
    return this.readyMs(entry, nowMs) <= nowMs;
  }

  /**
   * When one more request may go out on a lane as far as time goes: `nowMs` for now, `Infinity`
   * while only an answer, of this lane or another, or an operator can change that.
   */
  readyMs(entry: LaneEntry<T>, nowMs: number): number {
    return this.#shares.allow(entry, nowMs) ? entry.lane.readyMs(nowMs) : Infinity;
  }

  /**
   * Whether a lane takes no more events into memory: one that isn't proven takes few while others
   * have work.
   */
  isFull(entry: LaneEntry<T>): boolean {
    return this.#memory.isFull(entry);
  }

  /** How many more events may be claimed at once, besides those that are being claimed. */
  mostClaims(claiming: number): number {
    return this.#memory.mostClaims(claiming);
  }

  /** When more events may be claimed, monotonic ms; the past for now. */
  claimsFromMs(nowMs: number): number {
    return this.#memory.claimsFromMs(nowMs, (entry) => this.readyMs(entry, nowMs));
  }

  /**
   * The lane that has been silent for longest, while events wait for it in memory, if that is long.
   */
  mostSilent(nowMs: number): LaneEntry<T> | undefined {
    return this.#memory.mostSilent(nowMs);
  }

  /** Keep a claimed event in memory until its lane may send it. */
  enqueue(entry: LaneEntry<T>, event: T): void {
    entry.queue.push(event);
    this.#memory.added(entry, [event]);
    this.#busy.add(entry);
    this.#turns.wake(entry);
  }

  /** The oldest event in memory of a lane. */
  dequeue(entry: LaneEntry<T>): T | undefined {
    const event = entry.queue.shift();
    if (event) this.#removed(entry, [event]);
    return event;
  }

  /** Some of the events in memory of a lane. */
  take(entry: LaneEntry<T>, events: readonly T[]): void {
    const taken = new Set(events);
    let kept = 0;
    for (const event of entry.queue) if (!taken.has(event)) entry.queue[kept++] = event;
    entry.queue.length = kept;
    this.#removed(entry, events);
  }

  /** All events in memory of a lane. */
  empty(entry: LaneEntry<T>): T[] {
    const events = entry.queue.splice(0);
    this.#removed(entry, events);
    return events;
  }

  #removed(entry: LaneEntry<T>, events: readonly T[]): void {
    this.#memory.removed(entry, events);
    this.#rest(entry);
  }

  /** A lane may have something to send. */
  wake(entry: LaneEntry<T>): void {
    this.#turns.wake(entry);
  }

  /**
   * The next lane, in turn, that may send something. It has to be woken again for its next turn.
   */
  next(nowMs: number): LaneEntry<T> | undefined {
    return this.#turns.next(
      (entry) => this.#refusal(entry, nowMs),
      (standing) => this.#shares.room(standing, nowMs),
    );
  }

  #refusal(entry: LaneEntry<T>, nowMs: number): Refusal<Suspect> | undefined {
    if (entry.lane.readyMs(nowMs) > nowMs) return "other";
    if (this.#shares.allow(entry, nowMs)) return undefined;
    const standing = this.#shares.standing(entry);
    return standing !== "trusted" && this.#shares.room(standing, nowMs) <= 0 ? standing : "other";
  }

  /** A request begins. */
  started(entry: LaneEntry<T>, nowMs: number): Flight<T> {
    this.#before(entry, nowMs);
    const flight: Flight<T> = { entry, startMs: nowMs, change: entry.lane.start(nowMs) };
    entry.flights.add(flight);
    this.#busy.add(entry);
    this.#after(entry, nowMs);
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
    const { entry } = flight;
    this.#memory.ending(entry, nowMs);
    this.#before(entry, nowMs);
    entry.flights.delete(flight);
    const change = entry.lane.end(verdict, ms, nowMs, random, event);
    entry.lastEndMs = nowMs;
    this.#after(entry, nowMs);
    this.#rest(entry);
    this.#turns.wake(entry);
    this.#turns.unblock((standing) => this.#shares.room(standing, nowMs));
    return change;
  }

  #before(entry: LaneEntry<T>, nowMs: number): void {
    this.#shares.before(entry, nowMs);
    this.#memory.before(entry);
  }

  #after(entry: LaneEntry<T>, nowMs: number): void {
    this.#shares.after(entry, nowMs);
    this.#memory.after(entry);
  }

  #rest(entry: LaneEntry<T>): void {
    if (entry.queue.length === 0 && entry.flights.size === 0) this.#busy.delete(entry);
  }
}
