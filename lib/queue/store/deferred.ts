/**
 * What waits in `defer/`, without looking at more of it than needed: which destinations have a
 * folder, what their marks say, and which buckets there are.
 *
 * Names are listed bucket by bucket, when asked for; a folder is listed again only when its mtime
 * says that names came or went. A folder that can't be looked at is held: somebody may have said so
 * in it.
 *
 * @module
 */

import type { Clock, DirEntry } from "../../runtime/runtime.ts";
import type { Candidate, Deferred, StoreLimits } from "../../store/store.ts";
import type { Reporter } from "../../telemetry/reporter.ts";
import { bucketTimeMs } from "../buckets.ts";
import { LONGEST_WAIT_MS } from "../../store/limits.ts";
import { parseName } from "../name.ts";
import { confirmPlace, isMissing } from "../place.ts";
import { type Queue, SHARED_FOLDER } from "../queue.ts";
import { run } from "../steps.ts";
import { Listing } from "./listing.ts";
import {
  AFTER_FILE,
  AWAY_FILE,
  believedAfterMs,
  believedAwayMs,
  HOLD_FILE,
  Marks,
  OPEN_FILE,
  STRUGGLING_FILE,
} from "./marks.ts";
import { type Parts, PATIENCE_MS } from "./parts.ts";
import { type OnOther, strayReport } from "./strays.ts";
import { Word } from "./word.ts";

/**
 * An mtime younger than this may stay the same when another name comes: file systems count time in
 * ticks.
 */
const MTIME_TICK_MS = 2_000;

/** How long an mtime is believed. */
const TRUST_MS = 60_000;

/** What has been out of sight for this long will stay so until somebody mends it. */
const HIDDEN_MS = 30_000;

/** What it means for a destination that its folder can't be looked at. */
export const HIDDEN = "can't be looked at, so it is held";

/** What is known of a folder's names since it was listed last. */
interface Seen {
  /** Its mtime then; `NaN` when it was too fresh to tell. */
  readonly mtimeMs: number;
  /** Believed until, monotonic ms. */
  readonly untilMs: number;
}

/** Stands for the destination of events that somebody put into `defer/` itself. */
const LOOSE = "";

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
  /** Since when nothing but others' events is due in it, monotonic ms. */
  othersSinceMs?: number | undefined;
}

/** Due names kept in memory, all destinations together, and the least and most of one. */
const NAMES_KEPT = 65_536;
const LEAST_NAMES = 64;
const MOST_NAMES = 4_096;

/** More names than this are never listed at once to find what is due. */
const LONGEST_LISTING = 10_000;

/** A destination's folder. */
export class DeferredFolder implements Deferred {
  readonly destination: string;
  readonly #clock: Clock;
  /** Whether an operator holds it. */
  isMarkedHeld = false;
  /** Since when it can't be looked at, so that nobody knows, monotonic ms. */
  hiddenSinceMs: number | undefined;
  afterMs = 0;
  isMarkedOpen = false;
  isMarkedStruggling = false;
  awaySinceMs = 0;
  /** Buckets by name. */
  readonly buckets = new Map<string, Bucket>();
  /** What the last look saw of it. */
  seen: Seen | undefined;
  /** Due events of the bucket at hand, the next one last. */
  readonly due: Candidate[] = [];
  /** The bucket at hand, when nothing else is in it. */
  draining: Bucket | undefined;
  /** Not listed again before, monotonic ms: the disk refused. */
  restUntilMs = 0;

  /** Nothing known yet. */
  constructor(destination: string, clock: Clock) {
    this.destination = destination;
    this.#clock = clock;
  }

  get isHeld(): boolean {
    return this.isMarkedHeld || this.isOutOfSight;
  }

  /** Whether it can't be looked at. */
  get isOutOfSight(): boolean {
    return this.hiddenSinceMs !== undefined;
  }

  get nextDueMs(): number {
    const nowMs = this.#clock.now();
    let first = this.due.length > 0 || this.draining ? 0 : Infinity;
    for (const bucket of this.buckets.values()) first = Math.min(first, dueOf(bucket, nowMs));
    const restMs = this.restUntilMs - this.#clock.monotonic();
    return restMs > 0 ? Math.max(first, nowMs + Math.ceil(restMs)) : first;
  }

  get oldestMs(): number {
    let first = Infinity;
    // Of what somebody put there by hand nobody knows.
    for (const name of this.buckets.keys()) first = Math.min(first, bucketTimeMs(name) ?? 0);
    return first;
  }
}

/** The waiting events of a queue. */
export class DeferredEvents {
  /** Leaves word about them. */
  readonly word: Word;
  readonly #queue: Queue;
  readonly #reporter: Reporter;
  readonly #marks: Marks;
  readonly #onOther: OnOther;
  readonly #limits: { readonly current: StoreLimits };
  readonly #parts: Parts;
  readonly #startMs: number;
  readonly #folders = new Map<string, DeferredFolder>();
  #seen: Seen | undefined;

  /**
   * @param limits How long what the disk refuses is left alone: a poll.
   * @param parts Which events are whose.
   * @param startMs Only what was due then is ever due, Unix ms; `Infinity` for no such limit.
   */
  constructor(
    queue: Queue,
    reporter: Reporter,
    limits: { readonly current: StoreLimits },
    parts: Parts,
    startMs: number,
  ) {
    this.#queue = queue;
    this.#reporter = reporter;
    this.#marks = new Marks(queue);
    this.word = new Word(queue, this.#marks, {
      isShared,
      of: (label) => this.#of(label),
      known: (label) => this.#folders.get(label),
    });
    this.#onOther = strayReport(reporter);
    this.#limits = limits;
    this.#parts = parts;
    this.#startMs = startMs;
  }

  /** A destination's, if it has one. */
  get(destination: string): DeferredFolder | undefined {
    return isShared(destination) ? undefined : this.#folders.get(destination);
  }

  /** All that are one destination's. */
  *[Symbol.iterator](): Iterator<DeferredFolder> {
    for (const folder of this.#folders.values()) if (!isShared(folder.destination)) yield folder;
  }

  /** Those whose events are of several destinations. */
  get shared(): readonly DeferredFolder[] {
    if (!this.hasShared) return [];
    return [SHARED_FOLDER, LOOSE].flatMap((name) => this.#folders.get(name) ?? []);
  }

  /** Whether there are any. */
  get hasShared(): boolean {
    return this.#folders.has(SHARED_FOLDER) || this.#folders.has(LOOSE);
  }

  /** When a folder's first event may be due, Unix ms; `Infinity` for none. */
  nextDueMs(folder: DeferredFolder): number {
    return folder.nextDueMs;
  }

  /** Whether a folder has events that are due. */
  hasDue(folder: DeferredFolder): boolean {
    return folder.nextDueMs <= this.#beforeMs;
  }

  /** Whether a destination is held, and not merely because its folder is out of sight just now. */
  isHeldForLong(destination: string): boolean {
    const { isMarkedHeld = false, hiddenSinceMs } = this.get(destination) ?? {};
    const nowMs = this.#queue.place.runtime.clock.monotonic();
    return isMarkedHeld || hiddenSinceMs !== undefined && nowMs - hiddenSinceMs >= HIDDEN_MS;
  }

  /** Where events of a destination wait: in what is out of sight nothing can be put. */
  labelOf(destination: string): string {
    return this.get(destination)?.isOutOfSight ? SHARED_FOLDER : destination;
  }

  /** Up to when events are due, Unix ms. */
  get #beforeMs(): number {
    return Math.min(this.#startMs, this.#queue.place.runtime.clock.now());
  }

  /**
   * Look at `defer/` and the destinations' folders, as far as they have changed. What can't be
   * looked at is reported, and the others are looked at all the same.
   *
   * @throws {MisplacedError} If the base directory isn't where it was.
   * @throws The disk's error, when `defer/` itself can't be listed.
   */
  async refresh(): Promise<void> {
    await run(confirmPlace(this.#queue.place));
    await this.#refreshRoot();
    for (const folder of [...this.#folders.values()]) await this.#look(folder);
  }

  /** Look at the folder of a destination now, whether it was known or not. */
  async look(destination: string): Promise<DeferredFolder | undefined> {
    await this.#look(this.#of(destination));
    return this.get(destination);
  }

  async #refreshRoot(): Promise<void> {
    const seen = await this.#changed("defer", this.#seen);
    if (seen === undefined || seen === this.#seen) return;
    const present = new Set<string>();
    for await (const { name, kind } of this.#names("defer")) {
      if (!name.startsWith(".")) present.add(kind === "directory" ? name : LOOSE);
    }
    this.#seen = seen;
    for (const name of this.#folders.keys()) if (!present.has(name)) this.#folders.delete(name);
    for (const name of present) this.#of(name);
    const loose = this.#folders.get(LOOSE);
    if (loose) loose.buckets.set("", { folder: "defer", dueMs: 0, mtimeMs: undefined });
  }

  #of(destination: string): DeferredFolder {
    let folder = this.#folders.get(destination);
    if (!folder) {
      folder = new DeferredFolder(destination, this.#queue.place.runtime.clock);
      this.#folders.set(destination, folder);
    }
    return folder;
  }

  /** Whatever goes wrong in a folder, the others are looked at all the same. */
  async #look(folder: DeferredFolder): Promise<void> {
    const path = `defer/${folder.destination}`;
    let isInUse: boolean;
    try {
      isInUse = await this.#lookInto(folder);
      folder.hiddenSinceMs = undefined;
    } catch (error) {
      this.#reporter.unexpected("list", error, HIDDEN, { path });
      folder.hiddenSinceMs ??= this.#queue.place.runtime.clock.monotonic();
      folder.seen = undefined;
      return;
    }
    if (isInUse) return;
    try {
      // Nothing waits for it, so it is no trouble.
      await this.#forgetTrouble(folder);
      await this.#queue.removeFolder(path);
    } catch (error) {
      this.#reporter.trouble("remove", error, "stays, although it is empty", { path });
    }
  }

  async #forgetTrouble(folder: DeferredFolder): Promise<void> {
    const { destination } = folder;
    if (folder.isMarkedOpen) await this.#marks.takeBack(destination, OPEN_FILE);
    if (folder.isMarkedStruggling) await this.#marks.takeBack(destination, STRUGGLING_FILE);
    if (folder.awaySinceMs > 0) await this.#marks.takeBack(destination, AWAY_FILE);
  }

  /** @returns Whether it has to stay, or has gone. */
  async #lookInto(folder: DeferredFolder): Promise<boolean> {
    if (folder.destination === LOOSE) return true;
    const path = `defer/${folder.destination}`;
    const seen = await this.#changed(path, folder.seen);
    if (seen === folder.seen && seen !== undefined) return true;
    if (seen === undefined) {
      this.#folders.delete(folder.destination);
      return true;
    }
    const isInUse = await this.#readNames(folder, path);
    folder.seen = seen;
    return isInUse;
  }

  /** @returns Whether the folder is of any use. */
  async #readNames(folder: DeferredFolder, path: string): Promise<boolean> {
    const present = new Set<string>([""]);
    const marks = {
      isMarkedHeld: false,
      afterMs: 0,
      isMarkedOpen: false,
      isMarkedStruggling: false,
      awaySinceMs: 0,
    };
    let isLoose = false;
    const nowMs = this.#queue.place.runtime.clock.now();
    for await (const { name, kind } of this.#names(path)) {
      if (name === HOLD_FILE) marks.isMarkedHeld = true;
      else if (OPEN_FILE.test(name)) marks.isMarkedOpen ||= kind === "file";
      else if (STRUGGLING_FILE.test(name)) marks.isMarkedStruggling ||= kind === "file";
      else if (AFTER_FILE.test(name)) {
        const afterMs = believedAfterMs(name, nowMs);
        if (afterMs === 0) await this.#marks.drop(path, name);
        marks.afterMs = Math.max(marks.afterMs, afterMs);
      } else if (AWAY_FILE.test(name)) {
        const sinceMs = believedAwayMs(name, nowMs);
        if (sinceMs === 0) await this.#marks.drop(path, name);
        else marks.awaySinceMs = Math.min(marks.awaySinceMs || sinceMs, sinceMs);
      } else if (name.startsWith(".")) continue;
      else if (kind === "directory") this.#bucket(folder, name, present);
      else isLoose = true;
    }
    Object.assign(folder, marks);
    if (!isLoose) folder.buckets.delete("");
    else if (!folder.buckets.has("")) {
      folder.buckets.set("", { folder: path, dueMs: 0, mtimeMs: undefined });
    }
    for (const [name, bucket] of [...folder.buckets]) {
      if (!present.has(name)) folder.buckets.delete(name);
      else if (bucket.dueMs > nowMs) await this.#recheck(name, bucket);
    }
    return present.size > 1 || isLoose || marks.isMarkedHeld || marks.afterMs > 0;
  }

  /** The names in a folder; one that isn't there has none. */
  async *#names(path: string): AsyncIterable<DirEntry> {
    const { place } = this.#queue;
    try {
      yield* place.runtime.disk.list(`${place.base}/${path}`);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** Whoever fills a bucket may have put more into it since it was listed, and died. */
  async #recheck(name: string, bucket: Bucket): Promise<void> {
    if (bucket.mtimeMs === undefined) return;
    const { place } = this.#queue;
    try {
      const { mtimeMs } = await place.runtime.disk.lstat(`${place.base}/${bucket.folder}`);
      if (mtimeMs !== bucket.mtimeMs) bucket.dueMs = bucketTimeMs(name) ?? 0;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  #bucket(folder: DeferredFolder, name: string, present: Set<string>): void {
    const path = `defer/${folder.destination}/${name}`;
    const dueMs = bucketTimeMs(name);
    if (dueMs === undefined) return this.#onOther(path, "directory");
    present.add(name);
    if (!folder.buckets.has(name)) {
      folder.buckets.set(name, { folder: path, dueMs, mtimeMs: undefined });
    }
  }

  /**
   * What a folder looks like now: the same object when nothing has changed, `undefined` when it
   * isn't there.
   */
  async #changed(path: string, seen: Seen | undefined): Promise<Seen | undefined> {
    const { disk, clock } = this.#queue.place.runtime;
    const [nowMs, monotonicMs] = [clock.now(), clock.monotonic()];
    let mtimeMs: number;
    try {
      const stat = await disk.lstat(`${this.#queue.place.base}/${path}`);
      if (stat.kind !== "directory") return undefined; // somebody put it in the folder's place
      mtimeMs = stat.mtimeMs;
    } catch (error) {
      if (!isMissing(error)) throw error;
      await run(confirmPlace(this.#queue.place));
      return undefined;
    }
    if (seen && seen.mtimeMs === mtimeMs && monotonicMs < seen.untilMs) return seen;
    return {
      mtimeMs: nowMs - mtimeMs > MTIME_TICK_MS ? mtimeMs : NaN,
      untilMs: monotonicMs + TRUST_MS,
    };
  }

  /**
   * The next event of a folder that is due, out of the earliest bucket that has one.
   *
   * @throws The disk's error.
   */
  async next(folder: DeferredFolder): Promise<Candidate | undefined> {
    const { clock } = this.#queue.place.runtime;
    if (clock.monotonic() < folder.restUntilMs) return undefined;
    const beforeMs = this.#beforeMs;
    try {
      while (folder.due.length === 0) {
        if (folder.draining) await this.#drop(folder, folder.draining);
        const bucket = earliest(folder, beforeMs);
        if (bucket === undefined) return undefined;
        await this.#list(folder, bucket, beforeMs);
      }
    } catch (error) {
      folder.restUntilMs = clock.monotonic() + this.#limits.current.pollMs;
      throw error;
    }
    return folder.due.pop();
  }

  async #list(folder: DeferredFolder, bucket: Bucket, beforeMs: number): Promise<void> {
    const isBucket = bucket.folder.split("/").length === 3;
    bucket.mtimeMs = (await this.#changed(bucket.folder, undefined))?.mtimeMs;
    const listing = new Listing(this.#queue.place, bucket.folder, (path, why) => {
      if (isBucket || why !== "directory") this.#onOther(path, why);
    });
    const all = await listing.next(LONGEST_LISTING, beforeMs);
    const due = this.#shareOf(all, bucket);
    if (due.length === 0 && all.length > 0) {
      bucket.dueMs = this.#queue.place.runtime.clock.now() + PATIENCE_MS;
      return;
    }
    const share = Math.floor(NAMES_KEPT / this.#folders.size);
    const most = Math.min(MOST_NAMES, Math.max(LEAST_NAMES, share));
    const isCut = due.length > most || due.length < all.length || !listing.ended;
    folder.due.push(...due.slice(0, most).reverse());
    bucket.dueMs = isCut ? 0 : listing.found.nextDueMs;
    if (bucket.dueMs === Infinity && (isBucket || due.length > 0)) folder.draining = bucket;
  }

  /**
   * This consumer's part of what is due in a bucket; when there is none, others', if they have left
   * them for long. A run that looks once can't wait for that.
   */
  #shareOf(due: readonly Candidate[], bucket: Bucket): readonly Candidate[] {
    if (this.#startMs !== Infinity) return due;
    const ours = this.#parts.oursOf(due, ({ name }) => parseName(name).id);
    if (ours.length > 0 || due.length === 0) {
      bucket.othersSinceMs = undefined;
      return ours;
    }
    const nowMs = this.#queue.place.runtime.clock.monotonic();
    bucket.othersSinceMs ??= nowMs;
    return nowMs - bucket.othersSinceMs >= PATIENCE_MS ? due : [];
  }

  /**
   * Remove a bucket all of whose events were taken; one that isn't empty (an event resists, another
   * came) is listed again later.
   */
  async #drop(folder: DeferredFolder, bucket: Bucket): Promise<void> {
    folder.draining = undefined;
    if (bucket.dueMs !== Infinity) return;
    const [, , name] = bucket.folder.split("/");
    if (name === undefined || !await this.#queue.removeFolder(bucket.folder)) {
      bucket.dueMs = this.#queue.place.runtime.clock.now() + this.#limits.current.pollMs;
      return;
    }
    folder.buckets.delete(name);
    folder.seen = undefined;
    if (folder.buckets.size === 0) await this.#look(folder);
  }

  /**
   * Note that an event was put into a bucket here, so that it is found before the folder is looked
   * at again.
   */
  added(path: string, dueMs: number): void {
    const [, destination, name = ""] = path.split("/");
    const folder = this.#of(destination!);
    const bucket = folder.buckets.get(name);
    if (bucket) bucket.dueMs = Math.min(bucket.dueMs, dueMs);
    else folder.buckets.set(name, { folder: path, dueMs, mtimeMs: undefined });
  }

  /**
   * This consumer ends, and with it what it said of destinations.
   *
   * @throws The disk's error.
   */
  async withdrawMarks(): Promise<void> {
    for (const { destination, isMarkedOpen, isMarkedStruggling } of [...this.#folders.values()]) {
      if (!isMarkedOpen && !isMarkedStruggling) continue;
      await this.#marks.withdraw(destination);
      await this.#queue.removeFolder(`defer/${destination}`);
    }
  }
}

/** Whether a folder of `defer/` holds events of several destinations. */
function isShared(destination: string): boolean {
  return destination === SHARED_FOLDER || destination === LOOSE;
}

/**
 * When a bucket is due, Unix ms: a time that no clock can have set, or before the clock went back,
 * is now.
 */
function dueOf({ dueMs }: Bucket, nowMs: number): number {
  return dueMs !== Infinity && dueMs > nowMs + LONGEST_WAIT_MS ? 0 : dueMs;
}

function earliest(folder: DeferredFolder, beforeMs: number): Bucket | undefined {
  let found: [string, Bucket] | undefined;
  for (const entry of folder.buckets) {
    if (dueOf(entry[1], beforeMs) <= beforeMs && (found === undefined || entry[0] < found[0])) {
      found = entry;
    }
  }
  return found?.[1];
}
