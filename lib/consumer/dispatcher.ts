/**
 * A consumer's work: events are taken in, handed to their lanes, and sent as soon as these allow
 * it, alone or together.
 *
 * @module
 */

import type { Candidate } from "../queue/store/listing.ts";
import type { Waiting, WaitingEvents } from "../queue/store/deferred.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Agenda } from "./wakeups.ts";
import { type Claims, CLAIMS_AT_ONCE } from "./prefetch.ts";
import type { Delivery, Ending, MergedEnded, Prepared } from "./delivery.ts";
import type { Gate } from "./semaphore.ts";
import type { Gathering } from "./batcher.ts";
import type { Intake, ListingReport } from "../queue/store/poller.ts";
import type { LaneKeeper } from "./lane_sync.ts";
import type { Flight, Lanes, Station } from "../lanes/lanes.ts";
import type { AbandonedClaims } from "../queue/store/recovery.ts";

/** What is worked with. */
export interface WorkParts {
  /** Time. */
  readonly clock: Clock;
  /** Requests in flight at most, and events in memory besides those. */
  readonly threads: number;
  /** Where events come from that no lane knows of yet. */
  readonly intake: Intake;
  /** What waits in `defer/`. */
  readonly waiting: WaitingEvents;
  /** Claims of the dead; knows whether others live. */
  readonly abandoned: AbandonedClaims;
  /** Claims events. */
  readonly claims: Claims;
  /** What is in flight. */
  readonly gate: Gate;
  /** What waits in memory, and may be sent. */
  readonly lanes: Lanes<Prepared>;
  /** Heeds, marks and parks. */
  readonly keeper: LaneKeeper;
  /** When lanes have something to send. */
  readonly agenda: Agenda;
  /** Picks events that go together, where they do. */
  readonly gathering: Gathering | undefined;
  /** Sends and settles. */
  readonly delivery: Delivery;
  /** Told of listings. */
  readonly report: ListingReport;
  /** Aborts when the consumer stops. */
  readonly signal: AbortSignal;
  /** Looks at what can change behind our back, when it is time. */
  readonly lookIfDue: () => Promise<void> | undefined;
  /** Told how the way of each event ended. */
  readonly count: (ending: Ending) => void;
  /**
   * Told when a request has ended and what was to be done about its events is done, with the error
   * if there is a bug.
   */
  readonly ended: (bug?: { readonly error: unknown }) => void;
}

/** The work of a consumer. */
export class Work {
  readonly #clock: Clock;
  readonly #threads: number;
  readonly #intake: Intake;
  readonly #waiting: WaitingEvents;
  readonly #abandoned: AbandonedClaims;
  readonly #claims: Claims;
  readonly #gate: Gate;
  readonly #lanes: Lanes<Prepared>;
  readonly #keeper: LaneKeeper;
  readonly #agenda: Agenda;
  readonly #gathering: Gathering | undefined;
  readonly #delivery: Delivery;
  readonly #report: ListingReport;
  readonly #signal: AbortSignal;
  readonly #lookIfDue: WorkParts["lookIfDue"];
  readonly #count: WorkParts["count"];
  readonly #ended: WorkParts["ended"];

  /** Nothing begun. */
  constructor(parts: WorkParts) {
    this.#clock = parts.clock;
    this.#threads = parts.threads;
    this.#intake = parts.intake;
    this.#waiting = parts.waiting;
    this.#abandoned = parts.abandoned;
    this.#claims = parts.claims;
    this.#gate = parts.gate;
    this.#lanes = parts.lanes;
    this.#keeper = parts.keeper;
    this.#agenda = parts.agenda;
    this.#gathering = parts.gathering;
    this.#delivery = parts.delivery;
    this.#report = parts.report;
    this.#signal = parts.signal;
    this.#lookIfDue = parts.lookIfDue;
    this.#count = parts.count;
    this.#ended = parts.ended;
  }

  /** Send what lanes let through, and take in more, until neither can. */
  async run(): Promise<void> {
    if (this.#gathering) return await this.#workMerging(this.#gathering);
    while (!this.#signal.aborted) {
      if (this.#claims.areBack) await this.routeClaimed();
      const sent = this.#gate.hasRoom && await this.#sendNext();
      if (this.#signal.aborted) return;
      const took = this.#claims.areWanted && await this.#takeIn();
      if (!took && !sent && !await this.#change()) return;
      const look = this.#lookIfDue();
      if (look) await look;
    }
  }

  /**
   * Resolves once claims are back or a request has ended; `false` when there is nothing of either
   * to wait for.
   */
  async #change(): Promise<boolean> {
    if (this.#claims.underWay === 0 && this.#gate.hasRoom) return false;
    if (!this.#claims.areBack) await this.#gate.change();
    return true;
  }

  /**
   * As {@linkcode Work.run}, but events are taken in before they are sent, so that they can be sent
   * together.
   */
  async #workMerging(gathering: Gathering): Promise<void> {
    while (!this.#signal.aborted) {
      await this.#gate.room();
      const sent = await this.#sendBatches(gathering, false);
      const took = await this.#gather(gathering);
      if (!took && !sent) {
        this.#agenda.wakeAll();
        if (!await this.#sendBatches(gathering, true)) return;
      }
      const look = this.#lookIfDue();
      if (look) await look;
    }
  }

  /** Take in as many events as go into one batch; `false` when there are none. */
  async #gather({ count }: Gathering): Promise<boolean> {
    let taken = 0;
    while (taken < count && !this.#signal.aborted && await this.#takeIn()) {
      taken += this.#claims.underWay;
      await this.routeClaimed();
    }
    // Claiming may never go back to the event loop, and requests in flight need it.
    if (taken >= count && this.#gate.inside > 0) await this.#clock.sleep(0);
    return taken > 0;
  }

  /** @param isDry Whether no more can be taken in right now. */
  async #sendBatches(gathering: Gathering, isDry: boolean): Promise<boolean> {
    let sent = false;
    while (!this.#signal.aborted && this.#gate.inside < this.#gate.limit) {
      const station = this.#lanes.next(this.#clock.monotonic());
      if (!station) break;
      const mayBeMore = await this.#fill(station, gathering);
      const nowMs = this.#clock.monotonic();
      if (!this.#lanes.admits(station, nowMs)) {
        if (station.lane.isClosedOff(nowMs)) await this.#keeper.parkAll(station);
        continue;
      }
      const isWaited = isDry && !mayBeMore || this.#lanes.isFull(station);
      const events = station.lane.isDown
        ? station.queue.slice(0, 1) // a probe
        : gathering.pick(station.queue, nowMs, isWaited);
      if (mayBeMore || events.length > 0) this.#lanes.wake(station);
      if (events.length === 0) continue;
      this.#lanes.take(station, events);
      await this.#startBatch(station, events, gathering);
      sent = true;
    }
    return sent;
  }

  /**
   * Take what is due in a lane's backlog into its memory, a batch at most; whether there may be
   * more.
   */
  async #fill(station: Station<Prepared>, { count }: Gathering): Promise<boolean> {
    const waiting = this.#waiting.get(station.destination);
    const most = station.lane.isDown ? 1 - station.queue.length : count;
    for (let n = 0; n < most; n++) {
      if (!waiting || this.#waiting.nextDueMs(waiting) > this.#intake.beforeMs) return false;
      if (this.#lanes.isFull(station) || this.#isFull()) return false;
      const event = await this.nextDue(waiting);
      if (!event) return false;
      if (event.destination === station.destination) this.#lanes.enqueue(station, event);
      else await this.#route(event);
    }
    return most > 0;
  }

  /** Whether memory has as many events as it may. */
  #isFull(): boolean {
    const { queued, queuedBytes } = this.#lanes;
    return this.#gathering?.isFull(queued, queuedBytes) ??
      queued + this.#claims.underWay >= this.#threads;
  }

  async #startBatch(
    station: Station<Prepared>,
    events: readonly Prepared[],
    gathering: Gathering,
  ): Promise<void> {
    if (events.length === 1) return await this.#start(station, events[0]!);
    if (this.#abandoned.hasCompany && await this.#keeper.isCalledOff(station)) {
      await Promise.all(events.map((event) => this.#keeper.park(station, event)));
      return;
    }
    this.#send(station, async (flight) => {
      const { endings, attempt, refused }: MergedEnded = await this.#delivery.sendMerged(events);
      const concluded = this.#keeper.conclude(flight, events[0]!.claim.id, attempt);
      // Without going back to the event loop: the lane must not be forgotten meanwhile, nor a stop
      // miss them.
      const halves = refused ? gathering.split(refused) : [];
      const released = [];
      for (const event of halves) {
        if (this.#signal.aborted) released.push(this.#delivery.release(event));
        else this.#lanes.enqueue(station, event);
      }
      await concluded;
      for (const ending of [...endings, ...await Promise.all(released)]) this.#count(ending);
    });
  }

  /** One event of the next lane in turn, from memory and from `defer/` alternately. */
  async #sendNext(): Promise<boolean> {
    for (let station; (station = this.#lanes.next(this.#clock.monotonic()));) {
      const waiting = this.#waiting.get(station.destination);
      const mayWait = waiting !== undefined &&
        this.#waiting.nextDueMs(waiting) <= this.#intake.beforeMs;
      const fromMemory = station.queue.length > 0 && (station.fromMemory || !mayWait);
      station.fromMemory = !fromMemory;
      const event = fromMemory
        ? this.#lanes.dequeue(station)
        : mayWait
        ? await this.nextDue(waiting)
        : undefined;
      if (!event) {
        if (station.queue.length > 0) this.#lanes.wake(station);
        continue;
      }
      this.#lanes.wake(station);
      if (event.destination === station.destination) await this.#start(station, event);
      else await this.#route(event);
      return true;
    }
    return false;
  }

  /** The next due event of a destination's folder, claimed and looked at. */
  async nextDue(waiting: Waiting): Promise<Prepared | undefined> {
    try {
      for (let candidate; (candidate = await this.#waiting.next(waiting, this.#intake.beforeMs));) {
        const event = await this.#claims.one(candidate);
        if (event) return event;
        if (this.#signal.aborted) return undefined;
      }
      this.#report.listed();
    } catch (error) {
      this.#report.notListed(error);
    }
    return undefined;
  }

  /**
   * Begin to claim events that no lane knows of yet, side by side; `false` when none is to be
   * claimed now.
   */
  async #takeIn(): Promise<boolean> {
    const nowMs = this.#clock.monotonic();
    if (this.#isFull()) {
      const silent = this.#lanes.mostSilent(nowMs);
      if (!silent || this.#intake.isOnce) return false;
      await this.#keeper.parkAll(silent);
    }
    if (this.#lanes.claimsFromMs(nowMs) > nowMs) return false;
    const candidates: Candidate[] = [];
    for (let room = this.#gathering ? CLAIMS_AT_ONCE : this.#claims.room; room > 0; room--) {
      // While some are on their way nothing is listed: they may have to be parked, and what is new
      // is not to wait for both.
      const candidate = candidates.length === 0 && this.#claims.underWay === 0
        ? await this.#intake.next()
        : this.#intake.nextAtHand();
      if (!candidate) break;
      candidates.push(candidate);
    }
    if (candidates.length > 0) this.#claims.begin(candidates);
    return candidates.length > 0;
  }

  /** Hand what has been claimed to its lanes. */
  async routeClaimed(): Promise<void> {
    const claimed = await this.#claims.next();
    const routing: Promise<void>[] = [];
    for (const event of claimed.events) {
      const routed = this.#signal.aborted ? this.release(event) : this.#route(event);
      if (this.#abandoned.hasCompany) await routed; // the others are asked before each
      else if (routed) routing.push(routed);
    }
    await Promise.all(routing);
    if ("failure" in claimed) throw claimed.failure;
  }

  /** Put an event back, unsent. */
  async release(event: Prepared): Promise<void> {
    this.#count(await this.#delivery.release(event));
  }

  /**
   * Send an event, or keep it in memory, or park it: whatever its lane allows. A promise only when
   * others or the disk are asked.
   */
  #route(event: Prepared): Promise<void> | undefined {
    const nowMs = this.#clock.monotonic();
    const station = this.#lanes.of(event.destination, nowMs);
    if (
      !this.#gathering && this.#lanes.admits(station, nowMs) &&
      this.#gate.inside < this.#gate.limit &&
      station.queue.length === 0
    ) {
      return this.#start(station, event);
    }
    const mayKeep = !station.lane.isClosedOff(nowMs) &&
      (!this.#lanes.isFull(station) || this.#intake.isOnce);
    if (!mayKeep) return this.#keeper.park(station, event);
    this.#lanes.enqueue(station, event);
    return undefined;
  }

  #start(station: Station<Prepared>, event: Prepared): Promise<void> | undefined {
    if (this.#abandoned.hasCompany) return this.#startInCompany(station, event);
    this.#send(station, (flight) => this.#sendOne(flight, event));
    return undefined;
  }

  async #startInCompany(station: Station<Prepared>, event: Prepared): Promise<void> {
    if (await this.#keeper.isCalledOff(station)) await this.#keeper.park(station, event);
    else this.#send(station, (flight) => this.#sendOne(flight, event));
  }

  async #sendOne(flight: Flight<Prepared>, event: Prepared): Promise<void> {
    const { ending, attempt } = await this.#delivery.send(event);
    const telling = this.#keeper.conclude(flight, event.claim.id, attempt);
    if (telling) await telling;
    this.#count(ending);
  }

  async #send(
    station: Station<Prepared>,
    sendAndSettle: (flight: Flight<Prepared>) => Promise<void>,
  ): Promise<void> {
    const flight = this.#lanes.started(station, this.#clock.monotonic());
    if (flight.change) this.#keeper.changed(station, flight.change);
    this.#gate.enter();
    let bug;
    try {
      await sendAndSettle(flight);
    } catch (error) {
      bug = { error };
    } finally {
      this.#gate.leave();
      this.#ended(bug);
    }
  }

  /**
   * When more may be taken in as far as time goes, monotonic ms; the end of a request may allow it
   * sooner.
   */
  mayTakeInMs(nowMs: number): number {
    if (this.#isFull()) return Infinity;
    return Math.max(this.#lanes.claimsFromMs(nowMs), this.#intake.restUntilMs);
  }
}
