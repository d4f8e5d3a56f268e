/**
 * Looking for work: the names in a folder that are events and due, in slices, oldest first within a
 * slice.
 *
 * A listing is lazy, so a folder of a million files costs a thousand names before its first event
 * is claimed, and memory for a slice. Nothing is listed twice while a slice is being worked
 * through.
 *
 * @module
 */

import { type DirEntry, errorCode } from "../../runtime/runtime.ts";
import type { Candidate } from "../../store/store.ts";
import { LONGEST_WAIT_MS } from "../../store/limits.ts";
import { type EventName, isUsableId, parseName } from "../name.ts";
import { confirmPlace, isMissing, type Place } from "../place.ts";
import { run } from "../steps.ts";
import { uuidTimeMs } from "../uuid.ts";

/** What is due sooner stays in `new/`: to move it costs more than a few more looks. */
export const SOON_MS = 60_000;

/** Names looked at before the first is claimed. */
export const SLICE = 1_024;

/** Why a name in a folder of the queue is not an event. */
export type NotAnEvent = "dot file" | "directory" | "symlink" | "other" | "unreachable";

/** What one look at a name says. */
function notAnEvent(entry: DirEntry): NotAnEvent | undefined {
  if (entry.name.startsWith(".")) return "dot file";
  return entry.kind === "file" ? undefined : entry.kind;
}

/**
 * Whether a name can hold bytes that aren't UTF-8: they arrive as U+FFFD. (It may also be a real
 * U+FFFD.)
 */
function isSuspect(name: string): boolean {
  return name.includes("\uFFFD");
}

async function isUnreachable(place: Place, folder: string, name: string): Promise<boolean> {
  try {
    await place.runtime.disk.lstat(`${place.base}/${folder}/${name}`);
    return false;
  } catch (error) {
    return isMissing(error);
  }
}

/**
 * What a name in a folder is instead of an event, looking at the file when the name alone doesn't
 * tell.
 */
export async function whyNotAnEvent(
  place: Place,
  folder: string,
  entry: DirEntry,
): Promise<NotAnEvent | undefined> {
  const other = notAnEvent(entry);
  if (other !== undefined || !isSuspect(entry.name)) return other;
  return await isUnreachable(place, folder, entry.name) ? "unreachable" : undefined;
}

/**
 * When an event may be claimed, Unix ms; 0 for at once. A due time further ahead than the longest
 * wait is due now.
 */
export function dueMs(name: EventName, nowMs: number): number {
  return name.timeMs !== undefined && name.timeMs <= nowMs + LONGEST_WAIT_MS ? name.timeMs : 0;
}

/** What a {@linkcode Listing} has found out about its folder, once it is over. */
export interface Found {
  /** Names that are events, due or not. */
  readonly events: number;
  /** How many of them were due. */
  readonly due: number;
  /**
   * The earliest due time of those that are not due yet, Unix ms; `Infinity` when there is none.
   */
  readonly nextDueMs: number;
  /** Folders in it, by name. */
  readonly folders: readonly string[];
}

/** One pass over one folder. */
export class Listing {
  /** The folder below the base directory. */
  readonly folder: string;
  #place: Place;
  #entries: AsyncIterator<DirEntry>;
  #onOther: (path: string, why: NotAnEvent) => void;
  #isWanted: ((name: EventName, text: string) => boolean) | undefined;
  #events = 0;
  #due = 0;
  #nextDueMs = Infinity;
  #folders: string[] = [];
  #later: string[] = [];
  #keepsLater: boolean;
  #ended = false;

  /**
   * @param onOther Told of every name that isn't an event, dot files and folders included.
   * @param keepsLater Whether those that are due much later are kept for
   * {@linkcode Listing.takeLater}, which has to be called after each slice then.
   * @param isWanted Asked for each that is due; those that aren't wanted are left out.
   */
  constructor(
    place: Place,
    folder: string,
    onOther: (path: string, why: NotAnEvent) => void,
    keepsLater = false,
    isWanted?: (name: EventName, text: string) => boolean,
  ) {
    this.#keepsLater = keepsLater;
    this.folder = folder;
    this.#place = place;
    this.#onOther = onOther;
    this.#isWanted = isWanted;
    this.#entries = place.runtime.disk.list(`${place.base}/${folder}`)[Symbol.asyncIterator]();
  }

  /** Whether the last slice was the last one. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Names of those that are due more than {@linkcode SOON_MS} later, as many as a slice has. They
   * are forgotten by this.
   */
  takeLater(): readonly string[] {
    return this.#later.splice(0);
  }

  /** What has been seen so far. */
  get found(): Found {
    return {
      events: this.#events,
      due: this.#due,
      nextDueMs: this.#nextDueMs,
      folders: this.#folders,
    };
  }

  /**
   * The next events that are due, oldest first; empty at the end of the folder.
   *
   * @param most How many at most.
   * @param nowMs Due by when, Unix ms.
   * @throws {MisplacedError} If the base directory isn't where it was.
   * @throws The disk's error; a folder that isn't there is an empty one.
   */
  async next(
    most: number = SLICE,
    nowMs: number = this.#place.runtime.clock.now(),
  ): Promise<Candidate[]> {
    const due: { candidate: Candidate; ageMs: number }[] = [];
    while (due.length < most && this.#later.length < SLICE) {
      let entry: DirEntry | undefined;
      try {
        const { value, done } = await this.#entries.next();
        if (!done) entry = value;
      } catch (error) {
        if (!isMissing(error)) throw error;
        await run(confirmPlace(this.#place));
      }
      if (entry === undefined) {
        this.#ended = true;
        break;
      }
      const other = entry.kind === "file" && !isSuspect(entry.name)
        ? notAnEvent(entry)
        : await whyNotAnEvent(this.#place, this.folder, entry);
      if (other !== undefined) {
        if (other === "directory") this.#folders.push(entry.name);
        this.#onOther(`${this.folder}/${entry.name}`, other);
        continue;
      }
      this.#events++;
      const name = parseName(entry.name);
      const at = dueMs(name, nowMs);
      if (at > nowMs) {
        this.#nextDueMs = Math.min(this.#nextDueMs, at);
        const isLater = at > nowMs + SOON_MS && isUsableId(name.id);
        if (isLater && this.#keepsLater) this.#later.push(entry.name);
        continue;
      }
      this.#due++;
      if (this.#isWanted?.(name, entry.name) === false) continue;
      due.push({
        candidate: { folder: this.folder, name: entry.name },
        ageMs: uuidTimeMs(name.id) ?? await this.#writtenMs(entry.name),
      });
    }
    due.sort((a, b) => a.ageMs - b.ageMs);
    return due.map(({ candidate }) => candidate);
  }

  /**
   * When an event was written whose name doesn't tell when it was made, as far as the order within
   * a slice goes.
   */
  async #writtenMs(name: string): Promise<number> {
    try {
      return (await this.#place.runtime.disk.lstat(`${this.#place.base}/${this.folder}/${name}`))
        .mtimeMs;
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return 0; // taken meanwhile, or it resists: the claim will tell
    }
  }
}
