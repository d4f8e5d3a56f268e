/**
 * Keeping lanes and marks in step: what the store says of destinations, and how attempts end, says
 * what each lane may send; what changes is left as marks for other consumers and for `status`, and
 * what a lane can't take waits in the store.
 *
 * @module
 */

import type { LaneChange } from "../lanes/lane.ts";
import type { Flight, LaneEntry, Lanes } from "../lanes/lanes.ts";
import { verdictOf } from "../lanes/verdict.ts";
import type { Attempt } from "../http/sender.ts";
import type { Deferred, Store, World } from "../store/store.ts";
import type { Trace } from "../telemetry/trace.ts";
import type { Prepared } from "./prepare.ts";
import type { Settler } from "./settle.ts";

/**
 * Events parked before answers are listened to: on a blocking disk parking alone would never let
 * them in.
 */
const PARKED_AT_ONCE = 16;

/** An outage is told to others from there on: what comes back sooner takes all at once. */
const AWAY_MS = 5_000;

/** The part of requests that gets through is told again when it has changed by so much. */
const SHARE_TOLD_AGAIN = 0.1;

/** How long what others have said of a destination is taken to be all they have said. */
const LOOK_EVERY_MS = 250;

/** What lanes are kept in step with. */
export interface LaneSyncParts {
  /** The marks. */
  readonly store: Store;
  /** The lanes. */
  readonly lanes: Lanes<Prepared>;
  /** Parks events. */
  readonly settler: Settler;
  /** Time and chance. */
  readonly world: World;
  /** Told what changes. */
  readonly trace: Trace;
}

/** Keeps the lanes of a consumer in step with its store. */
export class LaneSync {
  readonly #store: Store;
  readonly #lanes: Lanes<Prepared>;
  readonly #settler: Settler;
  readonly #world: World;
  readonly #trace: Trace;
  /** When it was looked at what others say of a destination, monotonic ms. */
  readonly #lookedMs = new WeakMap<LaneEntry<Prepared>, number>();
  #parkedAtOnce = 0;

  /** For one consumer. */
  constructor(parts: LaneSyncParts) {
    this.#store = parts.store;
    this.#lanes = parts.lanes;
    this.#settler = parts.settler;
    this.#world = parts.world;
    this.#trace = parts.trace;
  }

  /** Whether other consumers are at work, who may leave word about destinations. */
  get hasPeers(): boolean {
    return this.#store.hasPeers;
  }

  /**
   * Whether others may have left word about a destination that this consumer has had time to see:
   * {@linkcode LaneSync.isCalledOff} has to be asked before something is sent.
   */
  mustLook(entry: LaneEntry<Prepared>): boolean {
    if (!this.hasPeers) return false;
    const lookedMs = this.#lookedMs.get(entry) ?? -Infinity;
    return this.#world.clock.monotonic() - lookedMs >= LOOK_EVERY_MS;
  }

  /** Do what a destination's marks say. */
  async apply(deferred: Deferred): Promise<void> {
    const { clock } = this.#world;
    const { destination, isHeld, afterMs } = deferred;
    if (this.#lanes.isHeld(destination) !== isHeld) {
      this.#lanes.setHeld(destination, isHeld);
      this.#trace({ type: "lane", destination, change: isHeld ? "held" : "resumed" });
    }
    if (isHeld && !this.#lanes.get(destination)) return;
    const nowMs = clock.monotonic();
    const entry = this.#lanes.of(destination, nowMs);
    const { lane } = entry;
    if (afterMs > clock.now()) lane.holdUntil(nowMs + afterMs - clock.now());
    if (lane.isClosedOff(nowMs)) await this.parkAll(entry);
    await this.#keepMarks(entry, deferred);
    this.#lanes.wake(entry);
  }

  /** Say what is known here better than by those who left marks, or believe these. */
  async #keepMarks(entry: LaneEntry<Prepared>, deferred: Deferred): Promise<void> {
    const { clock } = this.#world;
    const { lane, destination } = entry;
    const nowMs = clock.monotonic();
    const aheadMs = clock.now() - nowMs;
    const isUp = lane.isProven && !lane.isDown;
    if (deferred.isMarkedOpen && isUp) await this.#store.unmarkOpen(destination);
    const { isMarkedStruggling } = deferred;
    const isOther = Math.abs(lane.share - entry.toldShare) >= SHARE_TOLD_AGAIN;
    if (lane.isStruggling) {
      if (!isMarkedStruggling || isOther) await this.#markStruggling(entry);
    } else if (isMarkedStruggling && isUp) await this.#store.unmarkStruggling(destination);
    const { awaySinceMs } = deferred;
    if (lane.awaySinceMs(nowMs) !== undefined) {
      if (awaySinceMs === 0) await this.#markAway(entry);
    } else if (awaySinceMs === 0) lane.isBack();
    else if (!lane.wasAway(awaySinceMs - aheadMs)) await this.#store.unmarkAway(destination);
  }

  /** Tell since when a destination has been away, if that is long. */
  async #markAway({ lane, destination }: LaneEntry<Prepared>): Promise<void> {
    const { clock } = this.#world;
    const nowMs = clock.monotonic();
    const forMs = nowMs - (lane.awaySinceMs(nowMs) ?? nowMs);
    if (forMs >= AWAY_MS) await this.#store.markAway(destination, clock.now() - forMs);
  }

  /** A destination that was held has no marks any more, and with them the hold is gone. */
  resumeUnmarked(): void {
    for (const destination of [...this.#lanes.held()]) {
      if (this.#store.deferredOf(destination)) continue;
      this.#lanes.setHeld(destination, false);
      this.#trace({ type: "lane", destination, change: "resumed" });
    }
  }

  /**
   * Whether something may be sent to a destination as far as others are concerned: where there are
   * peers, they and operators are listened to before.
   */
  async isCalledOff(entry: LaneEntry<Prepared>): Promise<boolean> {
    this.#lookedMs.set(entry, this.#world.clock.monotonic());
    const deferred = await this.#store.look(entry.destination);
    if (deferred) await this.apply(deferred);
    const nowMs = this.#world.clock.monotonic();
    return entry.lane.readyMs(nowMs) > nowMs;
  }

  /**
   * Draw from an attempt what it says about its destination; a promise when others are to be told.
   */
  conclude(
    flight: Flight<Prepared>,
    id: string,
    attempt: Attempt | undefined,
  ): Promise<void> | undefined {
    const { entry } = flight;
    const verdict = verdictOf(attempt);
    if (attempt?.refusesCompression) {
      this.#trace({ type: "lane", destination: entry.destination, change: "uncompressed" });
    }
    const change = this.#lanes.ended(
      flight,
      this.#world.clock.monotonic(),
      verdict,
      attempt?.ms ?? 0,
      this.#world.random(),
      id,
    );
    if (verdict !== "success" && verdict !== "nothing") entry.lastError = attempt!.reason;
    const pauseMs = verdict === "success" ? undefined : attempt?.pauseMs;
    const isMarked = verdict === "success" &&
      this.#store.deferredOf(entry.destination)?.isMarkedOpen === true;
    return change || pauseMs || isMarked ? this.#tell(entry, change, pauseMs, isMarked) : undefined;
  }

  /** Leave word of what an attempt said. */
  async #tell(
    entry: LaneEntry<Prepared>,
    change: LaneChange | undefined,
    pauseMs: number | undefined,
    isMarked: boolean,
  ): Promise<void> {
    if (pauseMs) await this.#throttle(entry, pauseMs);
    if (change) this.changed(entry, change);
    if (change) await this.#mark(entry, change);
    else if (isMarked) await this.#store.unmarkOpen(entry.destination);
  }

  /** Leave a change as a mark. */
  async #mark(entry: LaneEntry<Prepared>, change: LaneChange): Promise<void> {
    const { destination, lastError } = entry;
    const isMarkedStruggling = this.#store.deferredOf(destination)?.isMarkedStruggling ?? false;
    switch (change) {
      case "opened":
        await this.#store.markOpen(destination, lastError);
        await this.#markAway(entry);
        if (isMarkedStruggling) await this.#store.unmarkStruggling(destination);
        await this.parkAll(entry);
        break;
      case "struggling":
        await this.#markStruggling(entry);
        break;
      case "healthy":
        await this.#store.unmarkStruggling(destination);
        break;
      case "recovered":
        await this.#store.unmarkOpen(destination);
        break;
      case "probing":
        break;
    }
  }

  async #markStruggling(entry: LaneEntry<Prepared>): Promise<void> {
    const { destination, lane: { share }, lastError } = entry;
    entry.toldShare = share;
    await this.#store.markStruggling(destination, share, lastError);
  }

  /** The endpoint asked to be left alone: nobody sends there before. */
  async #throttle(entry: LaneEntry<Prepared>, pauseMs: number): Promise<void> {
    const { clock } = this.#world;
    const { destination, lane, lastError: reason } = entry;
    const untilMs = clock.now() + pauseMs;
    const isNews = !lane.isClosedOff(clock.monotonic()) || lane.isDown;
    lane.holdUntil(clock.monotonic() + pauseMs);
    if (isNews) this.#trace({ type: "lane", destination, change: "throttled", reason, untilMs });
    await this.#store.markAfter(destination, untilMs);
    await this.parkAll(entry);
  }

  /** Tell that a lane has changed. */
  changed({ destination, lastError, lane }: LaneEntry<Prepared>, change: LaneChange): void {
    const { clock } = this.#world;
    const nowMs = clock.monotonic();
    const readyMs = lane.readyMs(nowMs);
    const isTimed = change === "opened" && readyMs !== Infinity;
    this.#trace({
      type: "lane",
      destination,
      change,
      ...(change === "opened" || change === "struggling" ? { reason: lastError } : {}),
      ...(change === "struggling" || change === "healthy" ? { share: lane.share } : {}),
      ...(isTimed ? { untilMs: clock.now() + readyMs - nowMs } : {}),
    });
  }

  /** Let all that waits in memory for a lane wait in the store. */
  async parkAll(entry: LaneEntry<Prepared>): Promise<void> {
    await Promise.all(this.#lanes.empty(entry).map((event) => this.park(entry, event)));
  }

  /** Let an event wait in the store until its lane can send it. */
  async park(entry: LaneEntry<Prepared>, event: Prepared): Promise<void> {
    const nowMs = this.#world.clock.monotonic();
    await this.#settler.park(event, entry.lane.readyMs(nowMs) - nowMs);
    this.#lanes.wake(entry);
    if (++this.#parkedAtOnce < PARKED_AT_ONCE) return;
    this.#parkedAtOnce = 0;
    await this.#world.clock.sleep(0);
  }
}
