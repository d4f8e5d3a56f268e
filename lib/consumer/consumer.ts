/**
 * The consumer: begin, work while there is something to do, look around, rest, and stop in good
 * order. The work itself is in `work.ts`.
 *
 * Nothing an event, a file or an endpoint does ends the loop. It ends when asked to, when its work
 * is done (modes `once` and `until-empty`), or when the disk has refused to list or to let claim
 * for half a minute.
 *
 * @module
 */

import { BUCKET_WINDOW_MS } from "../queue/buckets.ts";
import { acquireOwner, type OwnerFile, releaseOwner } from "../queue/store/owner.ts";
import { isDiskFull } from "../queue/place.ts";
import type { Queue } from "../queue/queue.ts";
import { isEmpty } from "../queue/status.ts";
import { sweep } from "../queue/sweep.ts";
import { type Waiting, WaitingEvents } from "../queue/store/deferred.ts";
import type { Clock } from "../runtime/runtime.ts";
import { Agenda } from "./wakeups.ts";
import { ReadyEvents } from "../queue/store/ready.ts";
import { Claimer } from "../queue/store/claimer.ts";
import { Claims } from "./prefetch.ts";
import { Delivery, type Ending } from "./delivery.ts";
import { Gate } from "./semaphore.ts";
import { Gathering } from "./batcher.ts";
import { Intake } from "../queue/store/poller.ts";
import { LaneKeeper } from "./lane_sync.ts";
import { Lanes } from "../lanes/lanes.ts";
import { type ConsumerOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { AbandonedClaims } from "../queue/store/recovery.ts";
import { Reporter } from "../telemetry/reporter.ts";
import { Resistance } from "../queue/store/claim_backoff.ts";
import { Work } from "./dispatcher.ts";

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

/**
 * Above this many claims without a rest the disk need not tell that more has come: the folder is
 * listed again anyway.
 */
const BUSY_CLAIMS = 64;

/**
 * How many events that wait for a destination which is down are looked at, a poll and destination,
 * for whether they are too old.
 */
const EXPIRE_AT_ONCE = 64;

/** A stop waits at least so long for the disk to answer, whatever the grace time. */
const LEAST_WAIT_MS = 1_000;

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
  readonly #intake: Intake;
  readonly #agenda: Agenda;
  readonly #work: Work;
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
  #mode: Mode = "forever";
  #nap: AbortController | undefined;
  #woken = false;
  #unwatch: (() => void) | undefined;
  #liftLimit: (() => void) | undefined;
  #claimsSinceRest = 0;
  #lookAtMs = 0;
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
    const sources = {
      ready: new ReadyEvents(queue, (path, why) => this.#reporter.other(path, why)),
      abandoned: this.#abandoned,
      waiting: this.#waiting,
    };
    const report = {
      listed: () => this.#resistance.listed(),
      notListed: (error: unknown) => this.#notListed(error),
    };
    this.#intake = new Intake(this.#clock, sources, resolved.pollMs, report);
    this.#agenda = new Agenda({
      clock: this.#clock,
      lanes: this.#lanes,
      waiting: this.#waiting,
      gathering: this.#gathering,
      intake: this.#intake,
    });
    this.#work = new Work({
      clock: this.#clock,
      threads: most,
      intake: this.#intake,
      waiting: this.#waiting,
      abandoned: this.#abandoned,
      claims: this.#claims,
      gate: this.#gate,
      lanes: this.#lanes,
      keeper: this.#keeper,
      agenda: this.#agenda,
      gathering: this.#gathering,
      delivery: this.#delivery,
      report,
      signal,
      lookIfDue: () => this.#lookIfDue(),
      count,
      ended: (bug) => this.#ended(bug),
    });
  }

  /** Requests in flight right now. */
  get inFlight(): number {
    return this.#gate.inside;
  }

  /**
   * Consume. May be called once.
   *
   * @param signal Stops it in good order: no new claims, what is in flight gets the grace time,
   * what is left goes back to `new/`.
   * @throws {DiskFailure} If the disk refuses for half a minute. What is in flight is settled
   * first, as far as the disk lets it.
   * @throws The disk's error, if a folder of the queue is not writable or on another file system at
   * the start.
   */
  async run(mode: Mode = "forever", signal?: AbortSignal): Promise<Summary> {
    this.#mode = mode;
    const owner = await this.#acquireOwner();
    if (mode === "once") {
      this.#abandoned.looksOnce = true;
      this.#intake.offerOnce();
      if (this.#gathering) this.#gathering.waitMs = 0; // nobody else is coming
    }
    const stop = () => this.#beginStop();
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
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
      await this.#close(owner).finally(() => this.#liftLimit?.());
      signal?.removeEventListener("abort", stop);
    }
  }

  /**
   * A full disk may have no room for one more name; events can be delivered all the same, which
   * makes room.
   */
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

  /** A disk that answers no more must not keep the process from ending. */
  #limitWait(): () => void {
    const { graceMs, trace } = this.#options;
    const ms = Math.max(graceMs, LEAST_WAIT_MS);
    const reason =
      `the disk has not answered for ${ms / 1_000} s and is given up; what was claimed ` +
      "stays so until another consumer takes it over";
    const givenUp = () => trace({ type: "disk-trouble", verb: "stop", code: "EIO", reason });
    return this.#queue.place.runtime.disk.limitWait?.(ms, givenUp) ?? (() => {});
  }

  #beginStop(): void {
    this.#liftLimit ??= this.#limitWait();
    this.#delivery.stop();
    this.#stop.abort();
    this.#gate.wake();
    this.#wake();
  }

  /** Give back what waits in memory, wait for what is in flight, then call it off. */
  async #drain(): Promise<void> {
    while (this.#claims.underWay > 0) await this.#work.routeClaimed();
    for (const station of this.#lanes.stations) {
      for (const event of this.#lanes.empty(station)) {
        await this.#work.release(event);
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
    // The last chance: whoever takes the claim over sends the event again.
    await this.#delivery.removeDelivered();
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
      await this.#lookIfDue();
      await this.#work.run();
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

  #lookIfDue(): Promise<void> | undefined {
    return this.#clock.monotonic() >= this.#lookAtMs ? this.#look() : undefined;
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
      const prepared = await this.#work.nextDue(waiting);
      if (!prepared) return;
      const ending = await this.#delivery.expire(prepared, station.lastError);
      if (ending) this.#counts[ending]++;
      else await this.#keeper.park(station, prepared);
    }
  }

  #decided(isOurs: boolean): void {
    this.#intake.took(isOurs);
    if (!isOurs || ++this.#claimsSinceRest <= BUSY_CLAIMS) return;
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #count(ending: Ending): void {
    this.#counts[ending]++;
    if (ending === "crowded") this.#gate.limit = Math.max(1, Math.floor(this.#gate.inside / 2));
  }

  /** @param bug No event, file, endpoint or disk gets here. */
  #ended(bug?: { readonly error: unknown }): void {
    if (bug) {
      this.#bug ??= bug;
      this.#beginStop();
    }
    this.#wake();
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

  #notListed(error: unknown): void {
    this.#reporter.trouble("list", error, "looked at again later");
    this.#resistance.notListed(error);
  }

  /** What is left of the queue, when nothing is in flight here. */
  async #left(): Promise<"nothing" | "held" | "more"> {
    const isHeld = (folder: string) => this.#waiting.get(folder)?.isHeld ?? false;
    try {
      // What isn't held first: others may take the last of it between two looks, which doesn't make
      // it held.
      if (!await isEmpty(this.#queue, (folder) => !isHeld(folder))) return "more";
      return await isEmpty(this.#queue) ? "nothing" : "held";
    } catch (error) {
      this.#notListed(error);
      return "more"; // what can't be listed may hold something
    }
  }

  /**
   * Sleep until something is due, a folder may have changed, a request ends, or the next look is
   * due anyway.
   */
  async #idle(): Promise<void> {
    const nowMs = this.#clock.monotonic();
    this.#claimsSinceRest = 0;
    if (!this.#unwatch) {
      this.#unwatch = this.#queue.place.runtime.disk.watch(`${this.#queue.place.base}/new`, () => {
        this.#intake.wake();
        this.#wake();
      });
      // What came after the look and before the watch is found by one more look.
      return this.#intake.wake();
    }
    const nap = this.#nap = new AbortController();
    const untilMs = Math.min(
      this.#lookAtMs,
      this.#work.mayTakeInMs(nowMs),
      this.#agenda.beforeRestMs(nowMs),
    );
    if (!this.#stop.signal.aborted && !this.#woken) {
      await this.#clock.sleep(Math.max(0, untilMs - nowMs), nap.signal);
    }
    this.#nap = undefined;
    this.#agenda.wakeDue();
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
