/**
 * The way of an event, from the store to its end:
 *
 *     candidate ─► claim ─► prepare ─► lane ─► send ─► settle
 *     prefetch     prefetch  prefetch   route   start   outgoing
 *
 * Events are taken in, handed to their lanes, and sent as soon as these allow it: one by one, or,
 * where a batcher picks them, several in one request. Nothing an event, its endpoint or the store
 * does is an exception here; what is thrown is a bug, or the store's last word.
 *
 * @module
 */

import type { LaneEntry, Lanes } from "../lanes/lanes.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Batcher } from "./batcher.ts";
import type { LaneSync } from "./lane_sync.ts";
import type { ConsumerSettings } from "../config/consumer.ts";
import type { Live } from "../config/settings.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Prefetch } from "./prefetch.ts";
import type { Prepared } from "./prepare.ts";
import type { Semaphore } from "./semaphore.ts";
import { Suspects } from "./suspects.ts";
import type { WakeUps } from "./wakeups.ts";

/** What is dispatched with. */
export interface DispatcherParts {
  /** Where events come from, prepared. */
  readonly prefetch: Prefetch;
  /** What waits in memory, and whose turn it is. */
  readonly lanes: Lanes<Prepared>;
  /** Parks, and hears of what came of attempts. */
  readonly sync: LaneSync;
  /** What is in flight. */
  readonly semaphore: Semaphore;
  /** Sends and settles them. */
  readonly outgoing: Outgoing;
  /** Picks events that go together, where they do. */
  readonly batcher: Batcher | undefined;
  /** Knows which lanes may send something that waits. */
  readonly wakeUps: WakeUps;
}

/** Dispatches the events of a consumer. */
export class Dispatcher {
  readonly #prefetch: Prefetch;
  readonly #lanes: Lanes<Prepared>;
  readonly #sync: LaneSync;
  readonly #semaphore: Semaphore;
  readonly #outgoing: Outgoing;
  readonly #batcher: Batcher | undefined;
  readonly #wakeUps: WakeUps;
  readonly #options: Live<ConsumerSettings>;
  readonly #clock: Clock;
  readonly #stop: AbortSignal;
  readonly #once: boolean;
  readonly #suspects = new Suspects();

  /**
   * @param stop Aborts when the consumer stops.
   * @param once Whether what is due is sent once.
   */
  constructor(
    parts: DispatcherParts,
    options: Live<ConsumerSettings>,
    clock: Clock,
    stop: AbortSignal,
    once: boolean,
  ) {
    this.#prefetch = parts.prefetch;
    this.#lanes = parts.lanes;
    this.#sync = parts.sync;
    this.#semaphore = parts.semaphore;
    this.#outgoing = parts.outgoing;
    this.#batcher = parts.batcher;
    this.#wakeUps = parts.wakeUps;
    this.#options = options;
    this.#clock = clock;
    this.#stop = stop;
    this.#once = once;
  }

  /**
   * Take in and send, until neither can be done, or until `untilMs`, monotonic.
   *
   * @returns Whether there may be more to do at once.
   * @throws {DiskFailure} If the store has refused for too long.
   */
  async run(untilMs: number): Promise<boolean> {
    while (!this.#hasEnded) {
      if (this.#prefetch.isBack) await this.#routeClaimed();
      if (this.#clock.monotonic() >= this.#suspects.dueMs) {
        await this.#trySuspect();
        continue;
      }
      const sent = this.#semaphore.hasRoom && await this.#sendNext(false);
      if (this.#hasEnded) break;
      const took = this.#isTakingIn && await this.#takeIn();
      if (!took && !sent && !await this.#change()) {
        if (!this.#batcher) return false;
        this.#wakeUps.wakeAll();
        if (!await this.#sendNext(true)) return false;
      }
      if (this.#clock.monotonic() >= untilMs) break;
    }
    return true;
  }

  /** Send one suspect with nothing beside it; before, wait until nothing is in flight. */
  async #trySuspect(): Promise<void> {
    if (this.#semaphore.inside > 0) return await this.#semaphore.change();
    const event = this.#suspects.take()!;
    const startMs = this.#clock.monotonic();
    const entry = this.#lanes.of(event.destination, startMs);
    if (this.#lanes.admits(entry, startMs)) await this.#start(entry, [event], true);
    else await this.#sync.park(entry, event);
    this.#suspects.tried(startMs, this.#clock.monotonic());
  }

  get #hasEnded(): boolean {
    return this.#stop.aborted || this.#semaphore.bug !== undefined;
  }

  /**
   * Resolves once claims are back or a request has ended; `false` when there is nothing of either
   * to wait for.
   */
  async #change(): Promise<boolean> {
    if (this.#prefetch.underWay === 0 && this.#semaphore.hasRoom) return false;
    if (!this.#prefetch.isBack) await this.#semaphore.change();
    return true;
  }

  /** Events that go together have to be there first, so they are always taken in. */
  get #isTakingIn(): boolean {
    return this.#batcher ? this.#prefetch.mayBegin : this.#prefetch.isWanted;
  }

  /** Whether memory has as many events as it may. */
  get #isFull(): boolean {
    if (this.#prefetch.isOutOfMemory) return true;
    const { queued, queuedBytes } = this.#lanes;
    const { underWay } = this.#prefetch;
    return this.#batcher?.isFull(queued + underWay, queuedBytes) ??
      queued + underWay >= this.#options.current.concurrency;
  }

  /**
   * Begin to claim events that no lane knows of yet, side by side; `false` when none is to be
   * claimed now.
   */
  async #takeIn(): Promise<boolean> {
    const nowMs = this.#clock.monotonic();
    if (this.#isFull) {
      const silent = this.#lanes.mostSilent(nowMs);
      if (!silent || this.#once) return false;
      await this.#sync.parkAll(silent);
    }
    if (this.#lanes.claimsFromMs(nowMs) > nowMs) return false;
    const { underWay } = this.#prefetch;
    const free = this.#batcher ? Infinity : Math.min(
      this.#options.current.concurrency - this.#lanes.queued - underWay,
      this.#lanes.mostClaims(underWay),
    );
    const room = this.#prefetch.room(free);
    return room > 0 && await this.#prefetch.begin(room);
  }

  /** Hand what has been claimed to its lanes. */
  async #routeClaimed(): Promise<void> {
    const claimed = await this.#prefetch.next();
    const routing: Promise<void>[] = [];
    for (const event of claimed.events) {
      const routed = this.#stop.aborted ? this.#outgoing.release(event) : this.#route(event);
      if (routed && this.#sync.hasPeers) await routed; // others may be asked before each
      else if (routed) routing.push(routed);
    }
    await Promise.all(routing);
    if ("failure" in claimed) throw claimed.failure;
  }

  /**
   * Send an event, or keep it in memory, or park it: whatever its lane allows. A promise only when
   * others or the store are asked.
   */
  #route(event: Prepared): Promise<void> | undefined {
    if (Suspects.isOne(event)) {
      this.#suspects.add(event);
      return undefined;
    }
    const nowMs = this.#clock.monotonic();
    const entry = this.#lanes.of(event.destination, nowMs);
    const maySend = !this.#batcher && this.#semaphore.hasRoom && entry.queue.length === 0;
    if (maySend && this.#lanes.admits(entry, nowMs)) return this.#start(entry, [event]);
    const mayKeep = !entry.lane.isClosedOff(nowMs) &&
      (!this.#lanes.isFull(entry) || this.#once);
    if (!mayKeep) return this.#sync.park(entry, event);
    this.#lanes.enqueue(entry, event);
    return undefined;
  }

  /**
   * Send what is next in turn.
   *
   * @param isDry Whether no more can be taken in right now: nothing is waited for.
   */
  async #sendNext(isDry: boolean): Promise<boolean> {
    for (let entry; (entry = this.#lanes.next(this.#clock.monotonic()));) {
      const picked = this.#batcher
        ? await this.#pickBatch(entry, this.#batcher, isDry)
        : await this.#pickOne(entry);
      if (picked === "another's") return true;
      if (picked.length === 0) continue;
      const started = this.#start(entry, picked);
      if (started) await started;
      return true;
    }
    return false;
  }

  /** One event of a lane, from memory and from its backlog alternately. */
  async #pickOne(entry: LaneEntry<Prepared>): Promise<readonly Prepared[] | "another's"> {
    const hasDue = this.#prefetch.hasDue(entry.destination);
    const isFromMemory = entry.queue.length > 0 && (entry.fromMemory || !hasDue);
    entry.fromMemory = !isFromMemory;
    const event = isFromMemory
      ? this.#lanes.dequeue(entry)
      : hasDue
      ? await this.#prefetch.nextDue(entry.destination)
      : undefined;
    if (event || entry.queue.length > 0) this.#lanes.wake(entry);
    if (!event) return [];
    if (event.destination === entry.destination) return [event];
    await this.#route(event);
    return "another's";
  }

  /** The events of a lane that go out together; none while they had better wait for others. */
  async #pickBatch(
    entry: LaneEntry<Prepared>,
    batcher: Batcher,
    isDry: boolean,
  ): Promise<readonly Prepared[]> {
    const mayBeMore = await this.#fill(entry, batcher);
    const nowMs = this.#clock.monotonic();
    if (!this.#lanes.admits(entry, nowMs)) {
      if (entry.lane.isClosedOff(nowMs)) await this.#sync.parkAll(entry);
      return [];
    }
    const isWaitedFor = isDry && !mayBeMore || this.#lanes.isFull(entry);
    const events = entry.lane.isDown
      ? entry.queue.slice(0, 1) // a probe
      : batcher.pick(entry.queue, isWaitedFor);
    if (mayBeMore || events.length > 0) this.#lanes.wake(entry);
    this.#lanes.take(entry, events);
    return events;
  }

  /**
   * Take what is due in a lane's backlog into its memory, a batch at most; whether there may be
   * more.
   */
  async #fill(entry: LaneEntry<Prepared>, { count }: Batcher): Promise<boolean> {
    const { destination } = entry;
    const most = entry.lane.isDown ? 1 - entry.queue.length : count;
    for (let n = 0; n < most; n++) {
      if (!this.#prefetch.hasDue(destination)) return false;
      if (this.#lanes.isFull(entry) || this.#isFull) return false;
      const event = await this.#prefetch.nextDue(destination);
      if (!event) return false;
      if (event.destination === destination) this.#lanes.enqueue(entry, event);
      else await this.#route(event);
    }
    return most > 0;
  }

  /**
   * Send events in one request. A promise only when others are asked before.
   *
   * @param isAlone Whether to wait for its end.
   */
  #start(
    entry: LaneEntry<Prepared>,
    events: readonly Prepared[],
    isAlone = false,
  ): Promise<void> | undefined {
    if (this.#sync.mustLook(entry)) return this.#startAmongPeers(entry, events, isAlone);
    const sent = this.#send(entry, events);
    return isAlone ? sent : undefined;
  }

  async #startAmongPeers(
    entry: LaneEntry<Prepared>,
    events: readonly Prepared[],
    isAlone: boolean,
  ): Promise<void> {
    if (await this.#sync.isCalledOff(entry)) {
      await Promise.all(events.map((event) => this.#sync.park(entry, event)));
      return;
    }
    const sent = this.#send(entry, events);
    if (isAlone) await sent;
  }

  /** Never rejects: a bug is the consumer's to throw. */
  async #send(entry: LaneEntry<Prepared>, events: readonly Prepared[]): Promise<void> {
    this.#semaphore.enter();
    try {
      const flight = this.#lanes.started(entry, this.#clock.monotonic());
      if (flight.change) this.#sync.changed(entry, flight.change);
      const { attempt, undecided } = await this.#outgoing.send(events);
      if (attempt?.outcome === "crowded") this.#semaphore.crowd();
      const concluded = this.#sync.conclude(flight, events[0]!.claim.id, attempt);
      // Without going back to the event loop: the lane must not be forgotten meanwhile, nor a stop
      // miss them.
      if (undecided.length > 0) await this.#divide(entry, undecided);
      if (concluded) await concluded;
    } catch (error) {
      this.#semaphore.fail(error);
    } finally {
      this.#semaphore.leave();
    }
  }

  /** Which of the events of a request was refused is found out by halving them. */
  async #divide(entry: LaneEntry<Prepared>, events: readonly Prepared[]): Promise<void> {
    const released: Promise<void>[] = [];
    for (const event of this.#batcher!.split(events)) {
      if (this.#stop.aborted) released.push(this.#outgoing.release(event));
      else this.#lanes.enqueue(entry, event);
    }
    await Promise.all(released);
  }

  /** Whether nothing is in flight, in memory, or to be taken in right now. */
  get isAtRest(): boolean {
    return this.#semaphore.inside === 0 && this.#lanes.queued === 0 &&
      this.#prefetch.underWay === 0 && this.#suspects.size === 0;
  }

  /**
   * Whether all that was due has been dealt with, as far as its lanes allow: it has been offered,
   * and none that may be sent is left.
   */
  get hasDealtWithAll(): boolean {
    if (!this.isAtRest || !this.#prefetch.hasOfferedAll) return false;
    const nowMs = this.#clock.monotonic();
    for (const destination of this.#prefetch.destinationsWithDue) {
      const entry = this.#lanes.get(destination);
      if (entry && !entry.lane.isClosedOff(nowMs)) return false;
    }
    return true;
  }

  /**
   * Until when there is nothing to do as far as time goes, monotonic ms; the end of a request may
   * change that. To be called before a rest.
   */
  restUntilMs(nowMs: number): number {
    const mayTakeInMs = this.#isFull
      ? Infinity
      : Math.max(this.#lanes.claimsFromMs(nowMs), this.#prefetch.restUntilMs);
    return Math.min(mayTakeInMs, this.#suspects.dueMs, this.#wakeUps.beforeRestMs(nowMs));
  }

  /** After a rest: what may be sent by now is. */
  rested(): void {
    this.#wakeUps.wakeDue();
  }

  /** Put back what waits in memory or is being claimed. The consumer must be stopping. */
  async drain(): Promise<void> {
    this.#prefetch.turnAway();
    while (this.#prefetch.underWay > 0) await this.#routeClaimed();
    for (let suspect; (suspect = this.#suspects.take());) {
      await this.#outgoing.release(suspect);
    }
    for (const entry of this.#lanes.entries) {
      for (const event of this.#lanes.empty(entry)) await this.#outgoing.release(event);
    }
  }

  /** Call off what is in flight; it goes back too. */
  abort(): void {
    this.#outgoing.abort();
  }

  /** Let go of what is held of the runtime. Nothing may be in flight. */
  close(): void {
    this.#outgoing.close();
  }
}
