/**
 * Keeping the lanes: what is on disk, and how attempts end, says what each destination may be sent;
 * what changes is left there for other consumers and for `status`, and what a lane can't take waits
 * in `defer/`.
 *
 * @module
 */

import type { LaneChange } from "../lanes/lane.ts";
import type { Attempt } from "../http/sender.ts";
import { verdictOf } from "../lanes/verdict.ts";
import { type Queue, SHARED_FOLDER } from "../queue/queue.ts";
import { LOOSE, type Waiting, type WaitingEvents } from "../queue/store/deferred.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Delivery, Ending, Prepared } from "./delivery.ts";
import type { Flight, Lanes, Station } from "../lanes/lanes.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Reporter } from "../telemetry/reporter.ts";

/**
 * Events parked before answers are listened to: on a blocking disk parking alone would never let
 * them in.
 */
const PARKED_AT_ONCE = 16;

/** What a keeper works with. */
export interface KeeperParts {
  /** Whose events. */
  readonly queue: Queue;
  /** The consumer's. */
  readonly options: ResolvedOptions;
  /** What it keeps. */
  readonly lanes: Lanes<Prepared>;
  /** What the disk says of destinations. */
  readonly waiting: WaitingEvents;
  /** Parks events. */
  readonly delivery: Delivery;
  /** Told of what the disk refuses. */
  readonly reporter: Reporter;
  /** Aborts when the consumer stops. */
  readonly signal: AbortSignal;
  /** Told of each event that was parked. */
  readonly count: (ending: Ending) => void;
}

/** Keeps the lanes of a consumer. */
export class LaneKeeper {
  readonly #queue: Queue;
  readonly #clock: Clock;
  readonly #options: ResolvedOptions;
  readonly #lanes: Lanes<Prepared>;
  readonly #waiting: WaitingEvents;
  readonly #delivery: Delivery;
  readonly #reporter: Reporter;
  readonly #signal: AbortSignal;
  readonly #count: (ending: Ending) => void;
  #parkedAtOnce = 0;

  /** A keeper for one consumer. */
  constructor(parts: KeeperParts) {
    this.#queue = parts.queue;
    this.#clock = parts.queue.place.runtime.clock;
    this.#options = parts.options;
    this.#lanes = parts.lanes;
    this.#waiting = parts.waiting;
    this.#delivery = parts.delivery;
    this.#reporter = parts.reporter;
    this.#signal = parts.signal;
    this.#count = parts.count;
  }

  /** Do what a destination's folder says. */
  async heed(waiting: Waiting): Promise<void> {
    const { destination, isHeld, afterMs, isMarkedOpen } = waiting;
    if (isShared(destination)) return;
    if (this.#lanes.isHeld(destination) !== isHeld) {
      this.#lanes.setHeld(destination, isHeld);
      this.#options.trace({ type: "lane", destination, change: isHeld ? "held" : "resumed" });
    }
    if (isHeld && !this.#lanes.get(destination)) return;
    const nowMs = this.#clock.monotonic();
    const station = this.#lanes.of(destination, nowMs);
    const { lane } = station;
    if (afterMs > this.#clock.now()) lane.holdUntil(nowMs + afterMs - this.#clock.now());
    if (lane.isClosedOff(nowMs)) await this.parkAll(station);
    if (isMarkedOpen && lane.isProven && !lane.isDown) await this.#waiting.unmarkOpen(destination);
    this.#lanes.wake(station);
  }

  /** The folder of a destination that was held is gone, and with it the hold. */
  resumeWithoutFolder(): void {
    for (const destination of [...this.#lanes.held()]) {
      if (this.#waiting.get(destination)) continue;
      this.#lanes.setHeld(destination, false);
      this.#options.trace({ type: "lane", destination, change: "resumed" });
    }
  }

  /**
   * Whether another consumer, or an operator, has just said that the destination is to be left
   * alone.
   */
  async isCalledOff(station: Station<Prepared>): Promise<boolean> {
    try {
      const waiting = await this.#waiting.peek(station.destination);
      if (waiting) await this.heed(waiting);
    } catch (error) {
      this.#reporter.trouble("list", error, "looked at again later");
    }
    const nowMs = this.#clock.monotonic();
    return station.lane.readyMs(nowMs) > nowMs;
  }

  /**
   * Draw from an attempt what it says about its destination; a promise when others are to be told.
   */
  conclude(
    flight: Flight<Prepared>,
    id: string,
    attempt: Attempt | undefined,
  ): Promise<void> | undefined {
    const { station } = flight;
    const verdict = verdictOf(attempt);
    const { random } = this.#queue.place.runtime;
    const change = this.#lanes.ended(
      flight,
      this.#clock.monotonic(),
      verdict,
      attempt?.ms ?? 0,
      random(),
      id,
    );
    if (verdict === "failure" || verdict === "overload") station.lastError = attempt!.reason;
    const retryAfterMs = verdict === "success" ? undefined : attempt?.retryAfterMs;
    const isMarked = verdict === "success" &&
      this.#waiting.get(station.destination)?.isMarkedOpen === true;
    return change || retryAfterMs || isMarked
      ? this.#tell(station, { change, retryAfterMs, isMarked })
      : undefined;
  }

  /** Leave word of a lane's change for other consumers and `status`. */
  async #tell(
    station: Station<Prepared>,
    { change, retryAfterMs, isMarked }: {
      readonly change: LaneChange | undefined;
      readonly retryAfterMs: number | undefined;
      readonly isMarked: boolean;
    },
  ): Promise<void> {
    try {
      if (retryAfterMs) await this.#throttle(station, retryAfterMs);
      if (change) await this.#mark(station, change);
      else if (isMarked) await this.#waiting.unmarkOpen(station.destination);
    } catch (error) {
      this.#reporter.trouble("mark", error, "other consumers and `status` don't hear of it");
    }
  }

  /** The endpoint asked to be left alone: nobody sends there before. */
  async #throttle(station: Station<Prepared>, retryAfterMs: number): Promise<void> {
    const { destination, lane } = station;
    const untilMs = this.#clock.now() + retryAfterMs;
    const isNews = !lane.isClosedOff(this.#clock.monotonic()) || lane.isDown;
    lane.holdUntil(this.#clock.monotonic() + retryAfterMs);
    if (isNews) {
      this.#options.trace({
        type: "lane",
        destination,
        change: "throttled",
        reason: station.lastError,
        untilMs,
      });
    }
    await this.#waiting.setAfter(await this.#queue.folderOf(destination), untilMs);
    await this.parkAll(station);
  }

  async #mark(station: Station<Prepared>, change: LaneChange): Promise<void> {
    this.changed(station, change);
    const folder = await this.#queue.folderOf(station.destination);
    if (change === "opened") {
      const since = new Date(this.#clock.now()).toISOString();
      if (!isShared(folder)) {
        await this.#waiting.markOpen(folder, { since, error: station.lastError });
      }
      await this.parkAll(station);
    } else if (!isShared(folder)) {
      await this.#waiting.unmarkOpen(folder);
    }
  }

  changed(
    { destination, lastError, lane }: Station<Prepared>,
    change: LaneChange,
  ): void {
    const nowMs = this.#clock.monotonic();
    const readyMs = lane.readyMs(nowMs);
    this.#options.trace({
      type: "lane",
      destination,
      change,
      ...(change === "opened" ? { reason: lastError } : {}),
      ...(change === "opened" && readyMs !== Infinity
        ? { untilMs: this.#clock.now() + readyMs - nowMs }
        : {}),
    });
  }

  async parkAll(station: Station<Prepared>): Promise<void> {
    await Promise.all(this.#lanes.empty(station).map((event) => this.park(station, event)));
  }

  /**
   * Let an event wait in `defer/`: due at once where its lane decides, later where several
   * destinations share the folder.
   */
  async park(station: Station<Prepared>, event: Prepared): Promise<void> {
    const nowMs = this.#clock.now();
    const pauseMs = await this.#sharedPauseMs(station);
    const ending = await this.#delivery.park(
      event,
      nowMs + pauseMs,
      (folder, dueMs) => this.#waiting.added(folder, dueMs),
    );
    this.#count(ending);
    this.#lanes.wake(station);
    if (++this.#parkedAtOnce < PARKED_AT_ONCE) return;
    this.#parkedAtOnce = 0;
    await this.#clock.sleep(0, this.#signal);
  }

  async #sharedPauseMs({ destination, lane }: Station<Prepared>): Promise<number> {
    try {
      if (!isShared(await this.#queue.folderOf(destination))) return 0;
    } catch (error) {
      this.#reporter.trouble("list", error, "asked again for the folder of the event");
    }
    const nowMs = this.#clock.monotonic();
    return Math.min(Math.max(lane.readyMs(nowMs) - nowMs, this.#options.pollMs), 60_000);
  }
}

/** Whether a folder of `defer/` holds events of several destinations. */
function isShared(folder: string): boolean {
  return folder === SHARED_FOLDER || folder === LOOSE;
}
