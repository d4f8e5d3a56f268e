/**
 * The signs by which monitoring tells that a queue is well: what is late, which destinations are
 * down, what has died, who is at work. Read from names alone.
 *
 * Late is what could have been sent for a while and wasn't: since its due time, else since it was
 * put on the queue. What waits for a destination that is held, down or throttled isn't late, it is
 * parked; nor is what has still to wait.
 *
 * @module
 */

import { LONGEST_WAIT_MS } from "../store/limits.ts";
import { bucketTimeMs } from "./buckets.ts";
import { CLOCK_SKEW_MS } from "./constants.ts";
import { consumersOf } from "./consumers.ts";
import { type EventName, parseName } from "./name.ts";
import { isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";
import { believedAfterMs, HOLD_FILE, OPEN_FILE } from "./store/marks.ts";
import { uuidTimeMs } from "./uuid.ts";

/** A destination that events are parked for. */
export interface ParkedDestination {
  /** Its label. */
  readonly destination: string;
  /** How many wait for it. */
  readonly waiting: number;
  /** Whether an operator holds it. */
  readonly isHeld: boolean;
  /** Since when a consumer finds it down, Unix ms; `undefined` when none does. */
  readonly downSinceMs: number | undefined;
}

/** The signs. */
export interface Vitals {
  /** In `new/`. */
  readonly ready: number;
  /** In `cur/`. */
  readonly claimed: number;
  /** In `defer/`. */
  readonly deferred: number;
  /** In `doa/`. */
  readonly dead: number;
  /** Since when the latest event is late, Unix ms; `undefined` when none is. */
  readonly lateSinceMs: number | undefined;
  /** Consumers at work, as far as it can be told. */
  readonly consumers: number;
  /** Destinations that are held or down. */
  readonly parked: readonly ParkedDestination[];
}

/** Files that are looked at for their time, as their names don't tell. */
const MOST_LOOKED_AT = 1_000;

/**
 * Read the signs.
 *
 * @throws The disk's error.
 */
export async function vitals(queue: Queue): Promise<Vitals> {
  const late = new Late(queue.place.runtime.clock.now());
  const deferred = await waiting(queue, late);
  const { signs } = await consumersOf(queue);
  return {
    ready: await ready(queue, late),
    claimed: await claimed(queue, late),
    deferred: deferred.count,
    dead: await dead(queue),
    lateSinceMs: late.sinceMs,
    consumers: signs.filter(({ state }) => state === "alive").length,
    parked: deferred.parked,
  };
}

/** Since when something is late. */
class Late {
  readonly nowMs: number;
  sinceMs: number | undefined;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  /** Something could have been sent since then, Unix ms. */
  note(ms: number): void {
    if (ms <= this.nowMs && ms < (this.sinceMs ?? Infinity)) this.sinceMs = ms;
  }
}

/** When an event is due as its name says, Unix ms; `undefined` when it says nothing. */
function namedMs({ id, timeMs }: EventName, nowMs: number): number | undefined {
  if (timeMs !== undefined && timeMs <= nowMs + LONGEST_WAIT_MS) return timeMs;
  return uuidTimeMs(id);
}

/** Names in a folder, and whether each is a folder itself; none of one that isn't there. */
async function* namesIn(queue: Queue, folder: string) {
  try {
    for await (const { name, kind } of queue.place.runtime.disk.list(queue.path(folder, ""))) {
      if (kind === "file" || kind === "directory") yield { name, isFolder: kind === "directory" };
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** As {@linkcode namesIn}, of events alone. */
async function* eventsIn(queue: Queue, folder: string): AsyncIterable<string> {
  for await (const { name, isFolder } of namesIn(queue, folder)) {
    if (!isFolder && !name.startsWith(".")) yield name;
  }
}

async function ready(queue: Queue, late: Late): Promise<number> {
  const { disk } = queue.place.runtime;
  let [count, looked] = [0, 0];
  for await (const name of eventsIn(queue, "new")) {
    count++;
    const named = namedMs(parseName(name), late.nowMs);
    if (named !== undefined) late.note(named);
    else if (looked++ < MOST_LOOKED_AT) {
      try {
        late.note((await disk.lstat(queue.path("new", name))).mtimeMs);
      } catch (error) {
        if (!isMissing(error)) throw error; // it has just been claimed
      }
    }
  }
  return count;
}

/** A claim whose lease ended so long ago is nobody's. */
async function claimed(queue: Queue, late: Late): Promise<number> {
  let count = 0;
  for await (const name of eventsIn(queue, "cur")) {
    count++;
    const { timeMs } = parseName(name);
    if (timeMs !== undefined && timeMs + CLOCK_SKEW_MS < late.nowMs) late.note(timeMs);
  }
  return count;
}

async function dead(queue: Queue): Promise<number> {
  let count = 0;
  for await (const name of eventsIn(queue, "doa")) if (!name.endsWith(".why")) count++;
  return count;
}

/** `defer/`. */
async function waiting(
  queue: Queue,
  late: Late,
): Promise<{ readonly count: number; readonly parked: readonly ParkedDestination[] }> {
  const parked: ParkedDestination[] = [];
  let count = 0;
  for await (const { name, isFolder } of namesIn(queue, "defer")) {
    if (name.startsWith(".")) continue;
    if (!isFolder) {
      count++;
      late.note(namedMs(parseName(name), late.nowMs) ?? Infinity);
      continue;
    }
    const own = new Late(late.nowMs);
    const found = await waitingFor(queue, name, own);
    count += found.waiting;
    const { isHeld, downSinceMs } = found;
    if (isHeld || downSinceMs !== undefined) parked.push(found);
    else if (!found.isThrottled && own.sinceMs !== undefined) late.note(own.sinceMs);
  }
  return { count, parked };
}

async function waitingFor(
  queue: Queue,
  destination: string,
  late: Late,
): Promise<ParkedDestination & { readonly isThrottled: boolean }> {
  const folder = `defer/${destination}`;
  let [count, isHeld, isThrottled] = [0, false, false];
  let downSinceMs: number | undefined;
  const note = (name: string) => {
    count++;
    late.note(namedMs(parseName(name), late.nowMs) ?? Infinity);
  };
  for await (const { name, isFolder } of namesIn(queue, folder)) {
    if (isFolder && bucketTimeMs(name) !== undefined) {
      for await (const event of eventsIn(queue, `${folder}/${name}`)) note(event);
    } else if (isFolder) continue;
    else if (!name.startsWith(".")) note(name);
    else if (name === HOLD_FILE) isHeld = true;
    else if (OPEN_FILE.test(name)) {
      downSinceMs = Math.min(downSinceMs ?? Infinity, await madeMs(queue, folder, name));
    } else if (believedAfterMs(name, late.nowMs) > 0) isThrottled = true;
  }
  return { destination, waiting: count, isHeld, downSinceMs, isThrottled };
}

/** When a mark was made, Unix ms; now when it has just been taken back. */
async function madeMs(queue: Queue, folder: string, name: string): Promise<number> {
  const { disk, clock } = queue.place.runtime;
  try {
    return (await disk.lstat(queue.path(folder, name))).mtimeMs;
  } catch (error) {
    if (!isMissing(error)) throw error;
    return clock.now();
  }
}
