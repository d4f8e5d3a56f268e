/**
 * Where work comes from: `new/` and the folders of `defer/`, each listed pass after pass, a slice at a time.
 *
 * @module
 */

import { type Candidate, Listing, type NotAnEvent } from "../queue/listing.ts";
import { isMissing } from "../queue/place.ts";
import type { Queue } from "../queue/queue.ts";

/** A supply of candidates. */
export interface Source {
  /**
   * The next slice of what is due; empty at the end of a pass, and the next call begins another.
   *
   * @throws The disk's error, when a folder can't be listed; the next call begins another pass.
   */
  next(): Promise<Candidate[]>;
  /** Whether the last slice ended a pass. */
  readonly passEnded: boolean;
  /** When the first event that was not due in the last pass is due, Unix ms. */
  readonly nextDueMs: number;
}

/** Told of every path below the base directory that is not an event. */
export type OnOther = (path: string, why: NotAnEvent) => void;

/** `new/`. */
export class ReadyEvents implements Source {
  readonly #queue: Queue;
  readonly #onOther: OnOther;
  #listing: Listing | undefined;
  nextDueMs = Infinity;

  constructor(queue: Queue, onOther: OnOther) {
    this.#queue = queue;
    this.#onOther = onOther;
  }

  get passEnded(): boolean {
    return this.#listing === undefined;
  }

  async next(): Promise<Candidate[]> {
    const listing = this.#listing ??= new Listing(this.#queue.place, "new", this.#onOther);
    try {
      const slice = await listing.next();
      if (!listing.ended) return slice;
      this.nextDueMs = listing.found.nextDueMs;
      this.#listing = undefined;
      return slice;
    } catch (error) {
      this.#listing = undefined;
      this.nextDueMs = Infinity; // what was due may still be, and can't be seen: no reason to look again at once
      throw error;
    }
  }
}

/** What is known of one folder of `defer/` since it was listed last. */
interface FolderState {
  /** Whether something in it was due then: it may have resisted its claim. */
  readonly hadDue: boolean;
  /** The earliest due time in it, Unix ms. */
  readonly nextDueMs: number;
  /** The folders in it, below the base directory. */
  readonly folders: readonly string[];
  /** Its mtime then: another one means that names came or went. `NaN` when it was too fresh to tell. */
  readonly mtimeMs: number;
  /** Not listed again before, monotonic ms. */
  readonly restUntilMs: number;
  /** Listed again after, whatever its mtime says, monotonic ms. */
  readonly staleAtMs: number;
}

/** A folder is not listed for this many times as long as its listing took: a large backlog that isn't due doesn't stop the rest. */
const REST_PER_LISTING = 9;

/** An mtime younger than this may stay the same when another name comes: file systems count time in ticks. */
const MTIME_TICK_MS = 2_000;

/** How long an mtime is believed. */
const TRUST_MS = 60_000;

/** `defer/` and the two levels below: a folder is listed when something in it is due, or when names came or went. */
export class DeferredEvents implements Source {
  readonly #queue: Queue;
  readonly #onOther: OnOther;
  #states = new Map<string, FolderState>();
  #seen = new Map<string, FolderState>();
  #folders: string[] = [];
  #listing: Listing | undefined;
  #mtimeMs = NaN;
  #listedMs = 0;

  constructor(queue: Queue, onOther: OnOther) {
    this.#queue = queue;
    this.#onOther = onOther;
  }

  get passEnded(): boolean {
    return this.#listing === undefined && this.#folders.length === 0;
  }

  get nextDueMs(): number {
    const { clock } = this.#queue.place.runtime;
    let first = Infinity;
    for (const { nextDueMs, restUntilMs } of this.#states.values()) {
      const listedMs = clock.now() + Math.max(0, restUntilMs - clock.monotonic());
      first = Math.min(first, Math.max(nextDueMs, listedMs));
    }
    return first;
  }

  async next(): Promise<Candidate[]> {
    try {
      if (this.passEnded) this.#folders = ["defer"];
      let slice: Candidate[] = [];
      while (slice.length === 0 && !this.passEnded) {
        if (!this.#listing && !await this.#open(this.#folders.shift()!)) continue;
        slice = await this.#list(this.#listing!);
        if (this.#listing!.ended) await this.#close(this.#listing!);
      }
      if (this.passEnded) this.#remember(this.#seen); // what was not met in this pass is gone
      return slice;
    } catch (error) {
      this.#listing = undefined;
      this.#folders = [];
      this.#remember(new Map());
      throw error;
    }
  }

  #remember(states: Map<string, FolderState>): void {
    this.#states = states;
    this.#seen = new Map();
  }

  /** Begin to list a folder, if there is a reason to. */
  async #open(folder: string): Promise<boolean> {
    const { disk, clock } = this.#queue.place.runtime;
    const [nowMs, monotonicMs] = [clock.now(), clock.monotonic()];
    let mtimeMs: number;
    try {
      mtimeMs = (await disk.lstat(`${this.#queue.place.base}/${folder}`)).mtimeMs;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    const state = this.#states.get(folder);
    if (state && !isWorthListing(state, mtimeMs, nowMs, monotonicMs)) {
      this.#seen.set(folder, state);
      this.#folders.push(...state.folders);
      return false;
    }
    this.#mtimeMs = nowMs - mtimeMs > MTIME_TICK_MS ? mtimeMs : NaN;
    this.#listedMs = 0;
    const isLevel = folder.split("/").length < 3;
    const onOther: OnOther = (path, why) =>
      isLevel && why === "directory" ? undefined : this.#onOther(path, why);
    this.#listing = new Listing(this.#queue.place, folder, onOther);
    return true;
  }

  /** The next slice; what is done with it meanwhile doesn't count as listing. */
  async #list(listing: Listing): Promise<Candidate[]> {
    const { clock } = this.#queue.place.runtime;
    const startMs = clock.monotonic();
    const slice = await listing.next();
    this.#listedMs += clock.monotonic() - startMs;
    return slice;
  }

  /** Note what the listing of a folder has found. */
  async #close({ folder, found }: Listing): Promise<void> {
    const nowMs = this.#queue.place.runtime.clock.monotonic();
    const isLevel = folder.split("/").length < 3;
    const folders = isLevel ? found.folders.map((name) => `${folder}/${name}`) : [];
    this.#listing = undefined;
    this.#folders.push(...folders);
    if (folder !== "defer" && found.events === 0 && folders.length === 0) {
      return await this.#queue.removeFolder(folder);
    }
    const hadDue = found.due > 0; // to be looked at again at once: whether it is empty now, or what resists
    this.#seen.set(folder, {
      hadDue,
      nextDueMs: found.nextDueMs,
      folders,
      mtimeMs: this.#mtimeMs,
      restUntilMs: nowMs + (hadDue ? 0 : this.#listedMs * REST_PER_LISTING),
      staleAtMs: nowMs + TRUST_MS,
    });
  }
}

function isWorthListing(
  state: FolderState,
  mtimeMs: number,
  nowMs: number,
  monotonicMs: number,
): boolean {
  if (monotonicMs < state.restUntilMs) return false;
  return state.hadDue || state.nextDueMs <= nowMs || state.mtimeMs !== mtimeMs ||
    monotonicMs >= state.staleAtMs;
}
