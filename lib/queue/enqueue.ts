/**
 * Enqueueing (rule 1 of the format): an event is acknowledged when its bytes *and* its name in
 * `new/` are on stable storage.
 *
 * create in `tmp/`, fsynced → link into `new/` (never overwrites) → remove from `tmp/` → fsync
 * `new/` → acknowledged.
 *
 * Whatever is cut off in between leaves a file in `tmp/`, which nobody was promised and the sweep
 * removes, or an event in `new/` that was not acknowledged and is delivered all the same.
 *
 * @module
 */

import { LONGEST_WAIT_MS } from "../store/limits.ts";
import { errorCode } from "../runtime/runtime.ts";
import { createEvent, FOLDERS, makeFolder } from "./layout.ts";
import { isChoosableId } from "./name.ts";
import { confirmPlace, isMissing, type Place } from "./place.ts";
import { step, type Steps } from "./steps.ts";

/** How an event is enqueued. */
export interface EnqueueOptions {
  /**
   * The event's id and idempotency key, `[A-Za-z0-9._-]{1,120}`, unique for ever.
   * @default {a new UUIDv7}
   */
  readonly id?: string;
  /**
   * `"disk"`: on stable storage when acknowledged. `"os"`: a power cut may lose it, a crash of the
   * process doesn't.
   * @default {"disk"}
   */
  readonly durability?: "disk" | "os";
  /** Nobody sends it before; at most 7 days ahead. @default {at once} */
  readonly notBefore?: Date;
}

/** An event with the chosen id is in `new/` already. */
export class EventExistsError extends Error {
  /** The class, for `catch`. */
  override readonly name = "EventExistsError";
}

/** The disk gave out in the middle of a batch. */
export class EnqueueError extends Error {
  /** The class, for `catch`. */
  override readonly name = "EnqueueError";
  /** The ids that are on the queue all the same, in the order given. */
  readonly enqueued: readonly string[];

  /** Name those that are on the queue. */
  constructor(message: string, enqueued: readonly string[], options: ErrorOptions) {
    super(message, options);
    this.enqueued = enqueued;
  }
}

/** Answers to `link` from file systems that have no hard links (FAT, SMB). */
const NO_HARD_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

interface Draft {
  readonly id: string;
  readonly chosen: boolean;
  /** Path in `tmp/`, a name of its own: two producers may choose one id. */
  tmp: string;
  readonly target: string;
}

/** What follows the id in the name of an event that is to wait. */
function dueSuffix(notBefore: Date | undefined, nowMs: number): string {
  if (notBefore === undefined) return "";
  const dueMs = notBefore.getTime();
  if (!(dueMs <= nowMs + LONGEST_WAIT_MS)) {
    const current = Number.isNaN(dueMs) ? "no date" : notBefore.toISOString();
    throw new RangeError(
      `Cannot enqueue: notBefore must be at most 7 days ahead, current value is ${current}`,
    );
  }
  return dueMs > nowMs ? `+0@${dueMs}` : "";
}

function draft(place: Place, id: string | undefined, notBefore?: Date): Draft {
  const { clock, random } = place.runtime;
  if (id !== undefined && !isChoosableId(id)) {
    throw new RangeError(
      `Cannot enqueue: id must be 1 to 120 of [A-Za-z0-9._-], not start with a dot, nor end in .why or .meta, ` +
        `current value is ${JSON.stringify(id)}`,
    );
  }
  const nowMs = clock.now();
  const due = dueSuffix(notBefore, nowMs);
  const own = place.ids.next(nowMs, random);
  return {
    id: id ?? own,
    chosen: id !== undefined,
    tmp: `${place.base}/tmp/${own}`,
    target: `${place.base}/new/${id ?? own}${due}.json`,
  };
}

/** Make the six folders where they are missing; one that is there is left as it is. */
function* makeFolders(place: Place): Steps<void> {
  const { disk } = place.runtime;
  yield* confirmPlace(place);
  for (const folder of FOLDERS) {
    yield* makeFolder(disk, place.base, folder, place.modes);
  }
  yield* step(disk.syncDir(place.base));
}

function* write(place: Place, { tmp }: Draft, bytes: Uint8Array, durable: boolean): Steps<void> {
  try {
    yield* createEvent(place.runtime.disk, tmp, bytes, place.modes, durable);
  } catch (error) {
    if (!isMissing(error)) throw error;
    yield* makeFolders(place);
    yield* createEvent(place.runtime.disk, tmp, bytes, place.modes, durable);
  }
}

/**
 * Nobody else links a file of ours in `tmp/`: a second name means that the link was made, whatever
 * the file system answered. Looked at under a fresh name, since a network file system may answer
 * for the old one from before the link.
 */
function* wasLinked(place: Place, event: Draft): Steps<boolean> {
  const { disk } = place.runtime;
  const fresh = `${event.tmp}.linked`;
  yield* step(disk.rename(event.tmp, fresh));
  event.tmp = fresh;
  return (yield* step(disk.lstat(fresh))).nlink > 1;
}

function* publish(place: Place, event: Draft): Steps<void> {
  const { disk } = place.runtime;
  try {
    yield* step(disk.link(event.tmp, event.target));
  } catch (error) {
    const code = errorCode(error) ?? "";
    if (NO_HARD_LINKS.has(code)) return yield* publishByRename(place, event, error);
    if (code !== "ENOENT" && code !== "EEXIST") throw error;
    // Nobody else makes this name: the link is done and its reply was lost.
    if (code === "EEXIST" && !event.chosen) return;
    if (yield* wasLinked(place, event)) return;
    if (code === "EEXIST") {
      throw new EventExistsError(
        `Cannot enqueue: id must be unique, ${event.id} is in new/ already`,
        { cause: error },
      );
    }
    yield* makeFolders(place);
    yield* step(disk.link(event.tmp, event.target));
  }
}

/**
 * After the link: who may only drop events can't open `new/`, so the event's file is what is synced
 * a second time, now with its name there.
 */
function* syncName(place: Place, event: Draft): Steps<void> {
  if (place.modes.isDrop) yield* step(place.runtime.disk.syncFile(event.tmp));
}

function* syncNew(place: Place): Steps<void> {
  if (!place.modes.isDrop) yield* step(place.runtime.disk.syncDir(`${place.base}/new`));
}

/** Without hard links: only an id of ours is sure not to overwrite somebody's event. */
function* publishByRename(place: Place, event: Draft, cause: unknown): Steps<void> {
  const { disk } = place.runtime;
  if (event.chosen) {
    throw new Error(
      "Cannot enqueue: this file system has no hard links, so the id must be left to us",
      { cause },
    );
  }
  try {
    yield* step(disk.lstat(event.target));
  } catch (error) {
    if (!isMissing(error)) throw error;
    return yield* step(disk.rename(event.tmp, event.target));
  }
  throw cause;
}

/**
 * What is left in `tmp/` after publishing, or after failing to: nobody was promised it, and the
 * sweep finds it too.
 */
function* discard(place: Place, { tmp }: Draft): Steps<void> {
  try {
    yield* step(place.runtime.disk.remove(tmp));
  } catch {
    // gone already (published by rename, or never made), or the sweep's to remove
  }
}

/**
 * Put one event on the queue.
 *
 * @throws {RangeError} If the chosen id can't be one, or it is to wait for longer than 7 days.
 * @throws {EventExistsError} If the chosen id is in `new/` already.
 */
export function* enqueue(
  place: Place,
  bytes: Uint8Array,
  options: EnqueueOptions = {},
): Steps<string> {
  const durable = options.durability !== "os";
  const event = draft(place, options.id, options.notBefore);
  try {
    yield* write(place, event, bytes, durable);
    yield* publish(place, event);
    if (durable) yield* syncName(place, event);
  } finally {
    yield* discard(place, event);
  }
  if (durable) yield* syncNew(place);
  return event.id;
}

/**
 * Put many events on the queue with one fsync of `new/`. All are written before the first is
 * published, so that a disk that fills up refuses all of them.
 *
 * @returns The ids, in the order given.
 * @throws {RangeError} If they are to wait for longer than 7 days.
 * @throws {EnqueueError} If the disk gives out while publishing; it names those that are on the
 * queue.
 */
export function* enqueueMany(
  place: Place,
  events: readonly Uint8Array[],
  options: Pick<EnqueueOptions, "notBefore"> = {},
): Steps<string[]> {
  const drafts: Draft[] = [];
  const published: string[] = [];
  let unfinished = 0;
  try {
    for (const bytes of events) {
      const event = draft(place, undefined, options.notBefore);
      drafts.push(event);
      yield* write(place, event, bytes, true);
    }
    for (const event of drafts) {
      yield* publish(place, event);
      yield* syncName(place, event);
      published.push(event.id);
      yield* discard(place, event);
      unfinished++;
    }
  } catch (cause) {
    if (published.length === 0) throw cause;
    yield* syncNew(place);
    const message =
      `Cannot enqueue: the disk gave out after ${published.length} of ${events.length} events`;
    throw new EnqueueError(message, published, { cause });
  } finally {
    for (const event of drafts.slice(unfinished)) yield* discard(place, event);
  }
  if (published.length > 0) yield* syncNew(place);
  return published;
}
