/**
 * The consumer: look for what is due, claim it, send it, settle it, with so many requests in flight; stop in good order.
 *
 * Nothing an event, a file or an endpoint does ends the loop. It ends when asked to, when its work is done (modes `once` and
 * `until-empty`), or when the disk has refused to list or to let claim for half a minute.
 *
 * @module
 */

import { BUCKET_WINDOW_MS } from "../queue/buckets.ts";
import type { Candidate } from "../queue/listing.ts";
import { acquireOwner, type OwnerFile, releaseOwner } from "../queue/owner.ts";
import { isDiskFull } from "../queue/place.ts";
import type { Queue } from "../queue/queue.ts";
import { isEmpty } from "../queue/status.ts";
import { sweep } from "../queue/sweep.ts";
import { type Waiting, WaitingEvents } from "../queue/waiting.ts";
import type { Clock } from "../runtime/runtime.ts";
import { ReadyEvents } from "./backlog.ts";
import { Claimer } from "./claimer.ts";
import { Claims, CLAIMS_AT_ONCE } from "./claims.ts";
import { Delivery, type Ending, type MergedEnded, type Prepared } from "./delivery.ts";
import { Gate } from "./gate.ts";
import { Gathering } from "./gathering.ts";
import { Intake } from "./intake.ts";
import { LaneKeeper } from "./keeper.ts";
import { Lanes, type Station } from "./lanes.ts";
import { type ConsumerOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { AbandonedClaims } from "./recovery.ts";
import { Reporter } from "./reporter.ts";
import { Resistance } from "./resistance.ts";

/** When a consumer's work is done. */
export type Mode =
  /** Never: until it is stopped. */
  | "forever"
  /** After one listing of what is due. */
  | "once"
  /** When nothing is left in `new/`, `cur/` and `defer/`, whoever holds it. */
  | "until-empty";

/** What a consumer did, in events; an event deferred twice counts twice. */
export type Summary = Readonly<Record<Ending, number>> & {
  /** Whether nothing was left when it ended; always `false` in mode `forever`. */
  readonly empty: boolean;
};

/** What is swept is 36 h old, so once a day is often enough. */
const SWEEP_EVERY_MS = 24 * 60 * 60_000;

/** Above this many claims without a rest the disk need not tell that more has come: the folder is listed again anyway. */
const BUSY_CLAIMS = 64;

/** How many events that wait for a destination which is down are looked at, a poll and destination, for whether they are too old. */
const EXPIRE_AT_ONCE = 64;

/** With thousands of lanes, looking through all of them after each request would take longer than the requests. */
const LANES_LOOK_MS = 10;

/** Delivers the events of a queue. Several on one queue need no configuration. */
export class Consumer {
  readonly #queue: Queue;
  readonly #clock: Clock;
  readonly #options: ResolvedOptions;
  readonly #gate: Gate;
  readonly #lanes: Lanes;
  readonly #gathering: Gathering | undefined;
  readonly #delivery: Delivery;
  readonly #resistance: Resistance;
  readonly #reporter: Reporter;
  readonly #claims: Claims;
  readonly #keeper: LaneKeeper;
  readonly #abandoned: AbandonedClaims;
  readonly #waiting: WaitingEvents;
  readonly #counts: Record<Ending, number> = {
    delivered: 0,
    deferred: 0,
    parked: 0,
    dead: 0,
    released: 0,
    lost: 0,
    kept: 0,
    crowded: 0,
  };
  readonly #stop = new AbortController();
  #intake!: Intake;
  #mode: Mode = "forever";
  #nap: AbortController | undefined;
  #woken = false;
  #unwatch: (() => void) | undefined;
  #claimsSinceRest = 0;
  #lookAtMs = 0;
  /** When the lanes were looked through last, and when the first of them could send something, monotonic ms. */
  #lanesSeenMs = -Infinity;
  #lanesFirstMs = 0;
  /** Whether that was just before resting. */
  #lanesAreSeen = false;
  #bug: { error: unknown } | undefined;

  /**
   * A consumer of a queue.
   *
   * @throws {RangeError} If an option is out of its range or contradicts another.
   */
  constructor(queue: Queue, options: ConsumerOptions = {}) {
    const resolved = resolveOptions(options);
    const { threads: most, perDestination, ratePerSecond } = resolved;
    this.#queue = queue;
    this.#clock = queue.place.runtime.clock;
    this.#options = resolved;
    this.#reporter = new Reporter(resolved.trace);
    this.#gate = new Gate(most);
    this.#gathering = resolved.merge && new Gathering(resolved);
    this.#lanes = new Lanes(
      { most, fixed: perDestination || undefined, ratePerSecond },
      this.#gathering?.mostOfLane,
    );
    this.#waiting = new WaitingEvents(
      queue,
      resolved.pollMs,
      (path, why) => this.#reporter.other(path, why),
    );
    this.#delivery = new Delivery(
      queue,
      resolved,
      (folder, dueMs) => this.#waiting.added(folder, dueMs),
    );
    this.#resistance = new Resistance(this.#clock);
    const { signal } = this.#stop;
    const count = (ending: Ending) => this.#count(ending);
    const claimer = new Claimer({
      queue,
      leaseMs: resolved.leaseMs,
      maxBytes: resolved.maxBytes,
      gate: this.#gate,
      resistance: this.#resistance,
      reporter: this.#reporter,
      trace: resolved.trace,
    });
    this.#claims = new Claims({
      claimer,
      delivery: this.#delivery,
      gate: this.#gate,
      lanes: this.#lanes,
      threads: most,
      signal,
      onDecided: (isOurs) => this.#decided(isOurs),
      count,
      onBack: () => this.#gate.wake(),
    });
    this.#keeper = new LaneKeeper({
      queue,
      options: resolved,
      lanes: this.#lanes,
      waiting: this.#waiting,
      delivery: this.#delivery,
      reporter: this.#reporter,
      signal,
      count,
    });
    this.#abandoned = new AbandonedClaims(
      queue,
      resolved.leaseMs,
      (name) => this.#delivery.isHeld(name),
      (path, why) => this.#reporter.other(path, why),
    );
  }

  /** Requests in flight right now. */
  get inFlight(): number {
    return this.#gate.inside;
  }

  /**
   * Consume. May be called once.
   *
   * @param signal Stops it in good order: no new claims, what is in flight gets the grace time, what is left goes back to `new/`.
   * @throws {DiskFailure} If the disk refuses for half a minute. What is in flight is settled first, as far as the disk lets it.
   * @throws The disk's error, if a folder of the queue is not writable or on another file system at the start.
   */
  async run(mode: Mode = "forever", signal?: AbortSignal): Promise<Summary> {
    this.#mode = mode;
    this.#abandoned.looksOnce = mode === "once";
    if (mode === "once" && this.#gathering) this.#gathering.waitMs = 0; // nobody else is coming
    const owner = await this.#acquireOwner();
    const stop = () => this.#beginStop();
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    const sources = {
      ready: new ReadyEvents(this.#queue, (path, why) => this.#reporter.other(path, why)),
      abandoned: this.#abandoned,
      waiting: this.#waiting,
    };
    this.#intake = new Intake(this.#clock, sources, this.#options.pollMs, mode === "once", {
      listed: () => this.#resistance.listed(),
      notListed: (error) => {
        this.#reporter.trouble("list", error, "looked at again later");
        this.#resistance.notListed(error);
      },
    });
    const swept = this.#sweep();
    const sweeping = swept.then(() => this.#sweepDaily());
    try {
      const empty = await this.#loop();
      // Who runs once a minute sweeps too, if that doesn't take too long.
      await Promise.race([swept, this.#clock.sleep(this.#options.graceMs, this.#stop.signal)]);
      this.#beginStop();
      await this.#drain();
      if (this.#bug) throw this.#bug.error;
      return { ...this.#counts, empty };
    } finally {
      this.#beginStop();
      await this.#drain();
      await sweeping;
      await this.#close(owner);
      signal?.removeEventListener("abort", stop);
    }
  }

  /** A full disk may have no room for one more name; events can be delivered all the same, which makes room. */
  async #acquireOwner(): Promise<OwnerFile | undefined> {
    try {
      return await acquireOwner(this.#queue);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#reporter.trouble(
        "start",
        error,
        "without an owner file only the leases will tell of its death",
      );
      return undefined;
    }
  }

  #beginStop(): void {
    this.#delivery.stop();
    this.#stop.abort();
    this.#gate.wake();
    this.#wake();
  }

  /** Give back what waits in memory, wait for what is in flight, then call it off. */
  async #drain(): Promise<void> {
    while (this.#claims.underWay > 0) await this.#routeClaimed();
    for (const station of this.#lanes.stations) {
      for (const event of this.#lanes.empty(station)) {
        await this.#release(event);
      }
    }
    const drained = new AbortController();
    const grace = this.#clock.sleep(this.#options.graceMs, drained.signal).then(() =>
      this.#gate.wake()
    );
    await this.#gate.empty();
    drained.abort();
    await grace;
    this.#delivery.abort();
    while (this.#gate.inside > 0) await this.#gate.empty();
  }

  async #close(owner: OwnerFile | undefined): Promise<void> {
    this.#unwatch?.();
    await this.#delivery.removeDelivered(); // the last chance: whoever takes the claim over sends the event again
    try {
      await this.#abandoned.close();
    } catch (error) {
      this.#reporter.trouble(
        "list",
        error,
        "owner files of the dead are left to the next consumer",
      );
    }
    try {
      await this.#waiting.withdrawMarks();
    } catch (error) {
      this.#reporter.trouble("mark", error, "`status` shows a breaker that is no more");
    }
    this.#delivery.close();
    if (owner) await releaseOwner(this.#queue, owner);
  }

  /** @returns Whether nothing was left. */
  async #loop(): Promise<boolean> {
    while (!this.#stop.signal.aborted) {
      this.#woken = false;
      if (this.#clock.monotonic() >= this.#lookAtMs) await this.#look();
      await this.#work();
      if (this.#stop.signal.aborted) break;
      if (this.#mode === "once" && this.#isDoneOnce()) {
        await this.#delivery.removeDelivered();
        return await this.#left() === "nothing";
      }
      if (this.#mode === "until-empty" && this.#isAtRest()) {
        const left = await this.#left();
        if (left !== "more") return left === "nothing";
      }
      await this.#idle();
    }
    return false;
  }

  /** Look at what can change behind our back: waiting events, holds, claims of the dead. */
  async #look(): Promise<void> {
    await this.#delivery.removeDelivered();
    try {
      await this.#waiting.refresh();
    } catch (error) {
      this.#reporter.trouble("list", error, "looked at again later");
    }
    this.#gate.limit = Math.min(this.#options.threads, this.#gate.limit + 1);
    try {
      for (const waiting of [...this.#waiting.destinations]) {
        await this.#keeper.heed(waiting);
        await this.#expire(waiting);
      }
    } catch (error) {
      this.#reporter.trouble("mark", error, "done again later");
    }
    this.#keeper.resumeWithoutFolder();
    this.#lookAtMs = this.#clock.monotonic() + this.#options.pollMs;
  }

  /** Give up what has waited too long for a destination that is down. */
  async #expire(waiting: Waiting): Promise<void> {
    const station = this.#lanes.get(waiting.destination);
    if (!station?.lane.isDown || station.lane.isHeld) return;
    for (let n = 0; n < EXPIRE_AT_ONCE; n++) {
      const nowMs = this.#clock.now();
      const youngestMs = this.#waiting.oldestMs(waiting) + BUCKET_WINDOW_MS;
      if (youngestMs + this.#options.maxAgeMs > nowMs) return;
      const prepared = await this.#fetch(waiting);
      if (!prepared) return;
      const ending = await this.#delivery.expire(prepared, station.lastError);
      if (ending) this.#counts[ending]++;
      else await this.#keeper.park(station, prepared);
    }
  }

  /** Send what lanes let through, and take in more, until neither can. */
  async #work(): Promise<void> {
    if (this.#gathering) return await this.#workMerging(this.#gathering);
    while (!this.#stop.signal.aborted) {
      if (this.#claims.areBack) await this.#routeClaimed();
      const sent = this.#gate.hasRoom && await this.#sendNext();
      if (this.#stop.signal.aborted) return;
      const took = this.#claims.areWanted && await this.#takeIn();
      if (!took && !sent && !await this.#change()) return;
      if (this.#clock.monotonic() >= this.#lookAtMs) await this.#look();
    }
  }

  /** Resolves once claims are back or a request has ended; `false` when there is nothing of either to wait for. */
  async #change(): Promise<boolean> {
    if (this.#claims.underWay === 0 && this.#gate.hasRoom) return false;
    if (!this.#claims.areBack) await this.#gate.change();
    return true;
  }

  /** As {@linkcode Consumer.#work}, but events are taken in before they are sent, so that they can be sent together. */
  async #workMerging(gathering: Gathering): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#gate.room();
      const sent = await this.#sendBatches(gathering, false);
      const took = await this.#gather(gathering);
      if (!took && !sent) {
        this.#wakeLanes();
        if (!await this.#sendBatches(gathering, true)) return;
      }
      if (this.#clock.monotonic() >= this.#lookAtMs) await this.#look();
    }
  }

  /** Take in as many events as go into one batch; `false` when there are none. */
  async #gather({ count }: Gathering): Promise<boolean> {
    let taken = 0;
    while (taken < count && !this.#stop.signal.aborted && await this.#takeIn()) {
      taken += this.#claims.underWay;
      await this.#routeClaimed();
    }
    // Claiming may never go back to the event loop, and requests in flight need it.
    if (taken >= count && this.#gate.inside > 0) await this.#clock.sleep(0);
    return taken > 0;
  }

  /** @param isDry Whether no more can be taken in right now. */
  async #sendBatches(gathering: Gathering, isDry: boolean): Promise<boolean> {
    let sent = false;
    while (!this.#stop.signal.aborted && this.#gate.inside < this.#gate.limit) {
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

  /** Take what is due in a lane's backlog into its memory, a batch at most; whether there may be more. */
  async #fill(station: Station, { count }: Gathering): Promise<boolean> {
    const waiting = this.#waiting.get(station.destination);
    const most = station.lane.isDown ? 1 - station.queue.length : count;
    for (let n = 0; n < most; n++) {
      if (!waiting || this.#waiting.nextDueMs(waiting) > this.#intake.beforeMs) return false;
      if (this.#lanes.isFull(station) || this.#isFull()) return false;
      const event = await this.#fetch(waiting);
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
      queued + this.#claims.underWay >= this.#options.threads;
  }

  async #startBatch(
    station: Station,
    events: readonly Prepared[],
    gathering: Gathering,
  ): Promise<void> {
    if (events.length === 1) return await this.#start(station, events[0]!);
    if (this.#abandoned.hasCompany && await this.#keeper.isCalledOff(station)) {
      await Promise.all(events.map((event) => this.#keeper.park(station, event)));
      return;
    }
    this.#send(station, async () => {
      const { endings, attempt, refused }: MergedEnded = await this.#delivery.sendMerged(events);
      const concluded = this.#keeper.conclude(station, events[0]!.claim.id, attempt);
      // Without going back to the event loop: the lane must not be forgotten meanwhile, nor a stop miss them.
      const halves = refused ? gathering.split(refused) : [];
      const released = [];
      for (const event of halves) {
        if (this.#stop.signal.aborted) released.push(this.#delivery.release(event));
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
        ? await this.#fetch(waiting)
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
  async #fetch(waiting: Waiting): Promise<Prepared | undefined> {
    try {
      for (let candidate; (candidate = await this.#waiting.next(waiting, this.#intake.beforeMs));) {
        const event = await this.#claims.one(candidate);
        if (event) return event;
        if (this.#stop.signal.aborted) return undefined;
      }
      this.#resistance.listed();
    } catch (error) {
      this.#reporter.trouble("list", error, "looked at again later");
      this.#resistance.notListed(error);
    }
    return undefined;
  }

  /** Begin to claim events that no lane knows of yet, side by side; `false` when none is to be claimed now. */
  async #takeIn(): Promise<boolean> {
    const nowMs = this.#clock.monotonic();
    if (this.#isFull()) {
      const hung = this.#lanes.hung(nowMs);
      if (!hung || this.#mode === "once") return false;
      await this.#keeper.parkAll(hung);
    }
    if (this.#lanes.waitsUntilMs(nowMs) > nowMs) return false;
    const candidates: Candidate[] = [];
    for (let room = this.#gathering ? CLAIMS_AT_ONCE : this.#claims.room; room > 0; room--) {
      // While some are on their way nothing is listed: they may have to be parked, and what is new is not to wait for both.
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
  async #routeClaimed(): Promise<void> {
    const claimed = await this.#claims.next();
    const routing: Promise<void>[] = [];
    for (const event of claimed.events) {
      const routed = this.#stop.signal.aborted ? this.#release(event) : this.#route(event);
      if (this.#abandoned.hasCompany) await routed; // the others are asked before each
      else routing.push(routed);
    }
    await Promise.all(routing);
    if ("failure" in claimed) throw claimed.failure;
  }

  #decided(isOurs: boolean): void {
    this.#intake.took(isOurs);
    if (!isOurs || ++this.#claimsSinceRest <= BUSY_CLAIMS) return;
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  async #release(event: Prepared): Promise<void> {
    this.#count(await this.#delivery.release(event));
  }

  /** Send an event, or keep it in memory, or park it: whatever its lane allows. */
  async #route(event: Prepared): Promise<void> {
    const nowMs = this.#clock.monotonic();
    const station = this.#lanes.of(event.destination, nowMs);
    if (
      !this.#gathering && this.#lanes.admits(station, nowMs) &&
      this.#gate.inside < this.#gate.limit &&
      station.queue.length === 0
    ) {
      return await this.#start(station, event);
    }
    const mayKeep = !station.lane.isClosedOff(nowMs) &&
      (!this.#lanes.isFull(station) || this.#mode === "once");
    if (mayKeep) this.#lanes.enqueue(station, event);
    else await this.#keeper.park(station, event);
  }

  async #start(station: Station, event: Prepared): Promise<void> {
    if (this.#abandoned.hasCompany && await this.#keeper.isCalledOff(station)) {
      return await this.#keeper.park(station, event);
    }
    this.#send(station, async () => {
      const { ending, attempt } = await this.#delivery.send(event);
      const telling = this.#keeper.conclude(station, event.claim.id, attempt);
      if (telling) await telling;
      this.#count(ending);
    });
  }

  async #send(station: Station, sendAndSettle: () => Promise<void>): Promise<void> {
    const change = this.#lanes.started(station, this.#clock.monotonic());
    if (change) this.#keeper.changed(station, change);
    this.#gate.enter();
    try {
      await sendAndSettle();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#gate.leave();
      this.#wake();
    }
  }

  #count(ending: Ending): void {
    this.#counts[ending]++;
    if (ending === "crowded") this.#gate.limit = Math.max(1, Math.floor(this.#gate.inside / 2));
  }

  /** A bug: no event, file, endpoint or disk gets here. */
  #failed(error: unknown): void {
    this.#bug ??= { error };
    this.#beginStop();
  }

  /** Whether nothing is in flight, in memory, or to be taken in right now. */
  #isAtRest(): boolean {
    return this.#gate.inside === 0 && this.#lanes.queued === 0 && this.#claims.underWay === 0;
  }

  #isDoneOnce(): boolean {
    if (!this.#isAtRest() || !this.#intake.hasFinished) return false;
    const nowMs = this.#clock.monotonic();
    for (const waiting of this.#waiting.destinations) {
      const station = this.#lanes.get(waiting.destination);
      if (!station || station.lane.isClosedOff(nowMs)) continue;
      if (this.#waiting.nextDueMs(waiting) <= this.#intake.beforeMs) return false;
    }
    return true;
  }

  /** What is left of the queue, when nothing is in flight here. */
  async #left(): Promise<"nothing" | "held" | "more"> {
    const isHeld = (folder: string) => this.#waiting.get(folder)?.isHeld ?? false;
    try {
      // What isn't held first: others may take the last of it between two looks, which doesn't make it held.
      if (!await isEmpty(this.#queue, (folder) => !isHeld(folder))) return "more";
      return await isEmpty(this.#queue) ? "nothing" : "held";
    } catch (error) {
      this.#reporter.trouble("list", error, "looked at again later");
      this.#resistance.notListed(error);
      return "more"; // what can't be listed may hold something
    }
  }

  /** Sleep until something is due, a folder may have changed, a request ends, or the next look is due anyway. */
  async #idle(): Promise<void> {
    const nowMs = this.#clock.monotonic();
    this.#claimsSinceRest = 0;
    if (!this.#unwatch) {
      this.#unwatch = this.#queue.place.runtime.disk.watch(`${this.#queue.place.base}/new`, () => {
        this.#intake.wake();
        this.#wake();
      });
      return this.#intake.wake(); // what came after the look and before the watch is found by one more look
    }
    const nap = this.#nap = new AbortController();
    const lanesMs = this.#lanesAreSeen ? this.#lanesFirstMs : this.#lanesReadyMs(nowMs);
    const untilMs = Math.min(this.#lookAtMs, this.#takeInMs(nowMs), lanesMs);
    this.#lanesAreSeen = false;
    if (!this.#stop.signal.aborted && !this.#woken) {
      await this.#clock.sleep(Math.max(0, untilMs - nowMs), nap.signal);
    }
    this.#nap = undefined;
    const awakeMs = this.#clock.monotonic();
    if (awakeMs >= this.#lanesFirstMs) this.#lanesReadyMs(awakeMs);
  }

  /** When more may be taken in as far as time goes, monotonic ms; the end of a request may allow it sooner. */
  #takeInMs(nowMs: number): number {
    if (this.#isFull()) return Infinity;
    return Math.max(this.#lanes.waitsUntilMs(nowMs), this.#intake.restUntilMs);
  }

  /** When the first lane may send something that waits, or the lanes are to be looked through again, monotonic ms. */
  #lanesReadyMs(nowMs: number): number {
    const againMs = this.#lanesSeenMs + LANES_LOOK_MS;
    if (nowMs < againMs && nowMs < this.#lanesFirstMs) return Math.min(againMs, this.#lanesFirstMs);
    this.#lanesSeenMs = nowMs;
    this.#lanesFirstMs = Infinity;
    const aheadMs = nowMs - this.#clock.now();
    for (const { station, dueMs } of this.#lanesWithWork()) {
      const atMs = Math.max(this.#lanes.readyMs(station, nowMs), aheadMs + dueMs);
      this.#lanesFirstMs = Math.min(this.#lanesFirstMs, atMs);
      if (atMs <= nowMs) this.#lanes.wake(station);
    }
    return this.#lanesFirstMs;
  }

  /** Until when what a lane has in memory waits for others, Unix ms. */
  #gatheredMs({ queue }: Station): number {
    if (!this.#gathering) return 0;
    return this.#clock.now() + this.#gathering.dueMs(queue) - this.#clock.monotonic();
  }

  /** Wake every lane that may send something that waits. */
  #wakeLanes(): void {
    this.#lanesSeenMs = -Infinity;
    this.#lanesReadyMs(this.#clock.monotonic());
    this.#lanesAreSeen = true;
  }

  *#lanesWithWork(): Iterable<{ station: Station; dueMs: number }> {
    for (const station of this.#lanes.stations) {
      if (station.queue.length > 0) yield { station, dueMs: this.#gatheredMs(station) };
    }
    for (const waiting of this.#waiting.destinations) {
      const station = this.#lanes.get(waiting.destination);
      const dueMs = this.#waiting.nextDueMs(waiting);
      if (
        station && dueMs !== Infinity && (this.#mode !== "once" || dueMs <= this.#intake.beforeMs)
      ) yield { station, dueMs };
    }
  }

  #wake(): void {
    this.#woken = true;
    this.#nap?.abort("woken"); // without a reason it would make an exception, and a stack with it
  }

  async #sweep(): Promise<void> {
    try {
      await sweep(this.#queue, this.#stop.signal);
    } catch (error) {
      this.#reporter.trouble("sweep", error, "swept again tomorrow");
    }
  }

  async #sweepDaily(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#clock.sleep(SWEEP_EVERY_MS, signal);
      if (!signal.aborted) await this.#sweep();
    }
  }
}
