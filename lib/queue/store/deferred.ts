/**
 * What waits in `defer/`, without looking at more of it than needed: which destinations have a
 * folder, what operators and endpoints have said there (`.hold`, `.after@<ms>`, `.open~<owner>`),
 * and which buckets there are.
 *
 * Names are listed bucket by bucket, when asked for; a folder is listed again only when its mtime
 * says that names came or went.
 *
 * @module
 */

import { errorCode } from "../../runtime/runtime.ts";
import { bucketTimeMs } from "../buckets.ts";
import { LONGEST_WAIT_MS } from "../constants.ts";
import { createFile } from "../layout.ts";
import { type Candidate, Listing, type NotAnEvent } from "./listing.ts";
import { ensureFolder, isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import { run } from "../steps.ts";

/** Keeps a destination from being sent to until it is removed. */
export const HOLD_FILE = ".hold";

/** Until when the endpoint asked to be left alone, Unix ms. */
export const AFTER_FILE = /^\.after@(\d{1,15})$/;
/** Some consumer's breaker is open; holds JSON with `since` and `error`. */
export const OPEN_FILE = /^\.open~[a-z0-9-]+$/;

/**
 * Longest wait an endpoint can ask for, and what clocks may differ: a time further ahead is not
 * believed.
 */
export const FURTHEST_AFTER_MS = 2 * 60 * 60_000 + 15 * 60_000;

/**
 * An mtime younger than this may stay the same when another name comes: file systems count time in
 * ticks.
 */
const MTIME_TICK_MS = 2_000;

/** How long an mtime is believed. */
const TRUST_MS = 60_000;

/** What is known of a folder's names since it was listed last. */
interface Seen {
  /** Its mtime then; `NaN` when it was too fresh to tell. */
  readonly mtimeMs: number;
  /** Believed until, monotonic ms. */
  readonly untilMs: number;
}

/** Stands for the destination of events that somebody put into `defer/` itself. */
export const LOOSE = "";

/**
 * A bucket, or the destination's folder itself, which older versions and people put events into.
 */
interface Bucket {
  /** Path below the base directory. */
  readonly folder: string;
  /** When its first event may be due, Unix ms, as its name or its last listing says. */
  dueMs: number;
  /**
   * Its mtime when it was listed last, `NaN` when that was too fresh to tell; `undefined` when it
   * never was.
   */
  mtimeMs: number | undefined;
}

/** What is in a destination's folder. */
export interface Waiting {
  /** The folder's name. */
  readonly destination: string;
  /** Whether an operator holds it. */
  isHeld: boolean;
  /** Until when the endpoint asked to be left alone, Unix ms; 0 for not. */
  afterMs: number;
  /** Whether some consumer's breaker is open. */
  isMarkedOpen: boolean;
  /** Buckets by name. */
  readonly buckets: Map<string, Bucket>;
  /** What the last listing saw of it. */
  seen: Seen | undefined;
  /** Due events of the bucket at hand, the next one last. */
  readonly due: Candidate[];
  /** The bucket at hand, when nothing else is in it. */
  draining: Bucket | undefined;
  /** Not listed again before, monotonic ms: the disk refused. */
  restUntilMs: number;
}

/** Due names kept in memory, all destinations together, and the least and most of one. */
const NAMES_KEPT = 65_536;
const LEAST_NAMES = 64;
const MOST_NAMES = 4_096;

/** More names than this are never listed at once to find what is due. */
const LONGEST_LISTING = 10_000;

/** The waiting events of a queue. */
export class WaitingEvents {
  readonly #queue: Queue;
  readonly #onOther: (path: string, why: NotAnEvent) => void;
  readonly #pauseMs: number;
  readonly #destinations = new Map<string, Waiting>();
  #seen: Seen | undefined;

  /**
   * @param pauseMs How long what the disk refuses is left alone.
   * @param onOther Told of every path that is neither an event nor part of the format.
   */
  constructor(queue: Queue, pauseMs: number, onOther: (path: string, why: NotAnEvent) => void) {
    this.#queue = queue;
    this.#pauseMs = pauseMs;
    this.#onOther = onOther;
  }

  /** What is known of a destination, by its folder's name. */
  get(destination: string): Waiting | undefined {
    return this.#destinations.get(destination);
  }

  /** All destinations that have a folder. */
  get destinations(): Iterable<Waiting> {
    return this.#destinations.values();
  }

  /**
   * Look at `defer/` and the destinations' folders, as far as they have changed.
   *
   * @throws The disk's error.
   */
  async refresh(): Promise<void> {
    await this.#refreshRoot();
    for (const waiting of [...this.#destinations.values()]) await this.look(waiting);
  }

  async #refreshRoot(): Promise<void> {
    const seen = await this.#changed("defer", this.#seen);
    if (seen === undefined || seen === this.#seen) return;
    this.#seen = seen;
    const present = new Set<string>();
    try {
      for await (
        const { name, kind } of this.#queue.place.runtime.disk.list(
          `${this.#queue.place.base}/defer`,
        )
      ) {
        if (!name.startsWith(".")) present.add(kind === "directory" ? name : LOOSE);
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    for (const name of this.#destinations.keys()) {
      if (!present.has(name)) this.#destinations.delete(name);
    }
    for (const name of present) this.#of(name);
    const loose = this.#destinations.get(LOOSE);
    if (loose) loose.buckets.set("", { folder: "defer", dueMs: 0, mtimeMs: undefined });
  }

  #of(destination: string): Waiting {
    let waiting = this.#destinations.get(destination);
    if (!waiting) {
      waiting = {
        destination,
        isHeld: false,
        afterMs: 0,
        isMarkedOpen: false,
        buckets: new Map(),
        seen: undefined,
        due: [],
        draining: undefined,
        restUntilMs: 0,
      };
      this.#destinations.set(destination, waiting);
    }
    return waiting;
  }

  /**
   * Look at one destination's folder, if it has changed.
   *
   * @throws The disk's error.
   */
  async look(waiting: Waiting): Promise<void> {
    if (waiting.destination === LOOSE) return;
    const folder = `defer/${waiting.destination}`;
    const seen = await this.#changed(folder, waiting.seen);
    if (seen === waiting.seen && seen !== undefined) return;
    if (seen === undefined) {
      this.#destinations.delete(waiting.destination);
      return;
    }
    waiting.seen = seen;
    const present = new Set<string>([""]);
    let [isHeld, afterMs, isMarkedOpen, isLoose] = [false, 0, false, false];
    const nowMs = this.#queue.place.runtime.clock.now();
    try {
      for await (
        const { name, kind } of this.#queue.place.runtime.disk.list(
          `${this.#queue.place.base}/${folder}`,
        )
      ) {
        if (name === HOLD_FILE) isHeld = true;
        else if (OPEN_FILE.test(name)) isMarkedOpen = true;
        else if (AFTER_FILE.test(name)) {
          afterMs = Math.max(afterMs, await this.#after(folder, name, nowMs));
        } else if (name.startsWith(".")) continue;
        else if (kind === "directory") this.#bucket(waiting, name, present);
        else isLoose = true;
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    waiting.isHeld = isHeld;
    waiting.afterMs = afterMs;
    waiting.isMarkedOpen = isMarkedOpen;
    if (isLoose && !waiting.buckets.has("")) {
      waiting.buckets.set("", { folder, dueMs: 0, mtimeMs: undefined });
    }
    if (!isLoose) waiting.buckets.delete("");
    for (const [name, bucket] of [...waiting.buckets]) {
      if (!present.has(name)) waiting.buckets.delete(name);
      else if (bucket.dueMs > nowMs) await this.#recheck(name, bucket);
    }
    if (present.size > 1 || isLoose || isHeld || afterMs > 0) return;
    // Nothing waits for it, so it is no trouble.
    if (isMarkedOpen) await this.unmarkOpen(waiting.destination);
    await this.#queue.removeFolder(folder);
  }

  /** Whoever fills a bucket may have put more into it since it was listed, and died. */
  async #recheck(name: string, bucket: Bucket): Promise<void> {
    if (bucket.mtimeMs === undefined) return;
    try {
      const { mtimeMs } = await this.#queue.place.runtime.disk.lstat(
        `${this.#queue.place.base}/${bucket.folder}`,
      );
      if (mtimeMs !== bucket.mtimeMs) bucket.dueMs = bucketTimeMs(name) ?? 0;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  #bucket(waiting: Waiting, name: string, present: Set<string>): void {
    const folder = `defer/${waiting.destination}/${name}`;
    const dueMs = bucketTimeMs(name);
    if (dueMs === undefined) return this.#onOther(folder, "directory");
    present.add(name);
    if (!waiting.buckets.has(name)) {
      waiting.buckets.set(name, { folder, dueMs, mtimeMs: undefined });
    }
  }

  /** When `.after@<ms>` ends; one that is over, or that no clock can have set, is removed. */
  async #after(folder: string, name: string, nowMs: number): Promise<number> {
    const untilMs = Number(AFTER_FILE.exec(name)![1]);
    if (untilMs > nowMs && untilMs - nowMs <= FURTHEST_AFTER_MS) return untilMs;
    await this.#remove(`${folder}/${name}`);
    return 0;
  }

  /**
   * What a folder looks like now: the same object when nothing has changed, `undefined` when it
   * isn't there.
   */
  async #changed(folder: string, seen: Seen | undefined): Promise<Seen | undefined> {
    const { disk, clock } = this.#queue.place.runtime;
    const [nowMs, monotonicMs] = [clock.now(), clock.monotonic()];
    let mtimeMs: number;
    try {
      const stat = await disk.lstat(`${this.#queue.place.base}/${folder}`);
      if (stat.kind !== "directory") return undefined; // somebody put it in the folder's place
      mtimeMs = stat.mtimeMs;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    if (seen && seen.mtimeMs === mtimeMs && monotonicMs < seen.untilMs) return seen;
    return {
      mtimeMs: nowMs - mtimeMs > MTIME_TICK_MS ? mtimeMs : NaN,
      untilMs: monotonicMs + TRUST_MS,
    };
  }

  /** When the first waiting event of a destination may be due, Unix ms; `Infinity` for none. */
  nextDueMs(waiting: Waiting): number {
    const { clock } = this.#queue.place.runtime;
    const nowMs = clock.now();
    let first = waiting.due.length > 0 || waiting.draining ? 0 : Infinity;
    for (const bucket of waiting.buckets.values()) first = Math.min(first, dueOf(bucket, nowMs));
    const restMs = waiting.restUntilMs - clock.monotonic();
    return restMs > 0 ? Math.max(first, nowMs + Math.ceil(restMs)) : first;
  }

  /** When the first of a destination's buckets was begun, Unix ms; `Infinity` for none. */
  oldestMs(waiting: Waiting): number {
    let first = Infinity;
    for (const name of waiting.buckets.keys()) {
      first = Math.min(first, bucketTimeMs(name) || Infinity);
    }
    return first;
  }

  /**
   * The next event of a destination that was due at `beforeMs` (Unix ms), out of the earliest
   * bucket that has one.
   *
   * @throws The disk's error.
   */
  async next(waiting: Waiting, beforeMs: number): Promise<Candidate | undefined> {
    const { clock } = this.#queue.place.runtime;
    if (clock.monotonic() < waiting.restUntilMs) return undefined;
    try {
      while (waiting.due.length === 0) {
        if (waiting.draining) await this.#drop(waiting, waiting.draining);
        const bucket = earliest(waiting, beforeMs);
        if (bucket === undefined) return undefined;
        await this.#list(waiting, bucket, beforeMs);
      }
    } catch (error) {
      waiting.restUntilMs = clock.monotonic() + this.#pauseMs;
      throw error;
    }
    return waiting.due.pop();
  }

  async #list(waiting: Waiting, bucket: Bucket, beforeMs: number): Promise<void> {
    const isBucket = bucket.folder.split("/").length === 3;
    bucket.mtimeMs = (await this.#changed(bucket.folder, undefined))?.mtimeMs;
    const listing = new Listing(this.#queue.place, bucket.folder, (path, why) => {
      if (isBucket || why !== "directory") this.#onOther(path, why);
    });
    const due = await listing.next(LONGEST_LISTING, beforeMs);
    const share = Math.floor(NAMES_KEPT / this.#destinations.size);
    const most = Math.min(MOST_NAMES, Math.max(LEAST_NAMES, share));
    const isCut = due.length > most || !listing.ended;
    waiting.due.push(...due.slice(0, most).reverse());
    bucket.dueMs = isCut ? 0 : listing.found.nextDueMs;
    if (bucket.dueMs === Infinity && (isBucket || due.length > 0)) waiting.draining = bucket;
  }

  /**
   * Remove a bucket all of whose events were taken; one that isn't empty (an event resists, another
   * came) is listed again later.
   */
  async #drop(waiting: Waiting, bucket: Bucket): Promise<void> {
    waiting.draining = undefined;
    if (bucket.dueMs !== Infinity) return;
    const [, , name] = bucket.folder.split("/");
    if (name === undefined || !await this.#queue.removeFolder(bucket.folder)) {
      bucket.dueMs = this.#queue.place.runtime.clock.now() + this.#pauseMs;
      return;
    }
    waiting.buckets.delete(name);
    waiting.seen = undefined;
    if (waiting.buckets.size === 0) await this.look(waiting);
  }

  /**
   * Note that an event was put into a bucket here, so that it is found before the folder is looked
   * at again.
   */
  added(folder: string, dueMs: number): void {
    const [, destination, name = ""] = folder.split("/");
    const waiting = this.#of(destination!);
    const bucket = waiting.buckets.get(name);
    if (bucket) bucket.dueMs = Math.min(bucket.dueMs, dueMs);
    else waiting.buckets.set(name, { folder, dueMs, mtimeMs: undefined });
  }

  /**
   * Look at the folder of a destination now, whether it was known or not.
   *
   * @throws The disk's error.
   */
  async peek(destination: string): Promise<Waiting | undefined> {
    const waiting = this.#of(destination);
    await this.look(waiting);
    return this.#destinations.get(destination);
  }

  /**
   * Tell all consumers to leave a destination alone until `untilMs`, Unix ms, also after a restart.
   *
   * @throws The disk's error.
   */
  async setAfter(destination: string, untilMs: number): Promise<void> {
    const waiting = this.#of(destination);
    if (waiting.afterMs >= untilMs) return;
    waiting.afterMs = untilMs;
    await this.#create(destination, `.after@${Math.ceil(untilMs)}`, new Uint8Array());
  }

  /**
   * Tell people that this consumer's breaker for a destination is open, and why.
   *
   * @throws The disk's error.
   */
  async markOpen(
    destination: string,
    why: { readonly since: string; readonly error: string },
  ): Promise<void> {
    this.#of(destination).isMarkedOpen = true;
    await this.#create(
      destination,
      `.open~${this.#queue.owner}`,
      new TextEncoder().encode(`${JSON.stringify(why)}\n`),
    );
  }

  /**
   * The destination has answered: whoever said that it was down, it no longer is.
   *
   * @throws The disk's error.
   */
  async unmarkOpen(destination: string): Promise<void> {
    const folder = `defer/${destination}`;
    try {
      for await (
        const { name } of this.#queue.place.runtime.disk.list(`${this.#queue.place.base}/${folder}`)
      ) {
        if (!OPEN_FILE.test(name)) continue;
        await this.#queue.place.runtime.disk.remove(this.#queue.path(folder, name));
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    const waiting = this.#destinations.get(destination);
    if (waiting) waiting.isMarkedOpen = false;
  }

  /**
   * This consumer ends, and with it its breakers.
   *
   * @throws The disk's error.
   */
  async withdrawMarks(): Promise<void> {
    for (const { destination, isMarkedOpen } of [...this.#destinations.values()]) {
      if (!isMarkedOpen) continue;
      try {
        await this.#queue.place.runtime.disk.remove(
          this.#queue.path(`defer/${destination}`, `.open~${this.#queue.owner}`),
        );
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
      await this.#queue.removeFolder(`defer/${destination}`);
    }
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#queue.place.runtime.disk.remove(`${this.#queue.place.base}/${path}`);
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
    }
  }

  async #create(destination: string, name: string, bytes: Uint8Array): Promise<void> {
    const { disk } = this.#queue.place.runtime;
    const path = this.#queue.path(`defer/${destination}`, name);
    await ensureFolder(this.#queue.place, `defer/${destination}`);
    try {
      await run(createFile(disk, path, bytes, this.#queue.place.modes, false));
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}

/**
 * When a bucket is due, Unix ms: a time that no clock can have set, or before the clock went back,
 * is now.
 */
function dueOf({ dueMs }: Bucket, nowMs: number): number {
  return dueMs !== Infinity && dueMs > nowMs + LONGEST_WAIT_MS ? 0 : dueMs;
}

function earliest(waiting: Waiting, beforeMs: number): Bucket | undefined {
  let found: [string, Bucket] | undefined;
  for (const entry of waiting.buckets) {
    if (dueOf(entry[1], beforeMs) <= beforeMs && (found === undefined || entry[0] < found[0])) {
      found = entry;
    }
  }
  return found?.[1];
}
