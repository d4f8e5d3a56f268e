/**
 * Bringing dead letters back: `doa/` → `new/`, attempts from 0, age from now.
 *
 * The age starts anew by the name alone: its tag says since when, and keeps that through all later
 * claims. (The file's own time may be set by its owner only, who need not be the operator.)
 *
 * @module
 */

import { errorCode } from "../runtime/runtime.ts";
import { formatName, parseName } from "./name.ts";
import { ensureFolder, holds, isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";

/** A dead letter that stays where it is. */
export interface RefusedLetter {
  /** Its name in `doa/`. */
  readonly name: string;
  /** What the disk says. */
  readonly error: unknown;
}

/** What {@linkcode requeue} did. */
export interface Requeued {
  /** Ids of the events that are in `new/` again, one for each file. */
  readonly requeued: readonly string[];
  /** What was asked for and is not in `doa/`. */
  readonly unknown: readonly string[];
  /** Those that this process may not move, or whose new name would be too long. */
  readonly refused: readonly RefusedLetter[];
}

/** The disk gave out in the middle. */
export class RequeueError extends Error {
  /** The class, for `catch`. */
  override readonly name = "RequeueError";
  /** Ids of the events that are in `new/` all the same, on stable storage. */
  readonly requeued: readonly string[];

  /** Name those that are on the queue again. */
  constructor(requeued: readonly string[], cause: unknown) {
    const count = requeued.length === 1 ? "1 dead letter" : `${requeued.length} dead letters`;
    super(`Cannot requeue: the disk gave out after ${count}`, { cause });
    this.requeued = requeued;
  }
}

/** What is wrong with one dead letter, and nothing the next one need suffer from. */
const OF_THE_LETTER: ReadonlySet<string> = new Set(["EACCES", "EPERM", "ENAMETOOLONG"]);

/**
 * Put dead letters back on the queue: those with one of the ids (or file names) given, or all.
 * Several dead letters of one id all come back. Each is durable on return.
 *
 * @param onProgress Told how many are done, after each; what it returns is waited for.
 * @throws {RequeueError} If the disk gives out when some are back already.
 * @throws The disk's error.
 */
export async function requeue(
  queue: Queue,
  ids: readonly string[] | "all",
  onProgress: (done: number) => void | Promise<void> = () => {},
): Promise<Requeued> {
  const { disk } = queue.place.runtime;
  const found = new Set<string>();
  const requeued: string[] = [];
  const refused: RefusedLetter[] = [];
  let failure: { readonly cause: unknown } | undefined;
  try {
    for await (const name of lettersOf(queue, ids, found)) {
      const fate = await tryToRaise(queue, name);
      if (fate === "back") await onProgress(requeued.push(parseName(name).id));
      else if (fate !== "gone") refused.push({ name, error: fate.refused });
    }
  } catch (cause) {
    if (!isMissing(cause)) failure = { cause };
  }
  if (requeued.length > 0) await disk.syncDir(`${queue.place.base}/new`);
  if (failure) {
    throw requeued.length > 0 ? new RequeueError(requeued, failure.cause) : failure.cause;
  }
  const unknown = ids === "all" ? [] : ids.filter((id) => !found.has(id));
  return { requeued, unknown, refused };
}

/** @param found Where those of `ids` are noted that there are. */
async function* lettersOf(
  queue: Queue,
  ids: readonly string[] | "all",
  found: Set<string>,
): AsyncIterable<string> {
  const wanted = ids === "all" ? undefined : new Set(ids);
  for await (const { name, kind } of queue.place.runtime.disk.list(`${queue.place.base}/doa`)) {
    if (kind !== "file" || name.startsWith(".") || name.endsWith(".why")) continue;
    const { id } = parseName(name);
    if (wanted && !wanted.has(id) && !wanted.has(name)) continue;
    found.add(wanted?.has(name) ? name : id);
    found.add(id);
    yield name;
  }
}

/** @returns `"gone"` when somebody else took the dead letter meanwhile. */
async function tryToRaise(
  queue: Queue,
  name: string,
): Promise<"back" | "gone" | { readonly refused: unknown }> {
  try {
    return await raise(queue, name) ? "back" : "gone";
  } catch (error) {
    if (!OF_THE_LETTER.has(errorCode(error) ?? "")) throw error;
    return { refused: error };
  }
}

/**
 * Put one dead letter back. Not yet on stable storage.
 *
 * @returns `false` when somebody else took it meanwhile.
 * @throws The disk's error; it is where it was.
 */
export async function raise(queue: Queue, name: string): Promise<boolean> {
  const event = parseName(name);
  const nowMs = queue.place.runtime.clock.now();
  const from = queue.path("doa", name);
  // An id that can't be one is left to the claim, which replaces it; a tag makes the name fresh
  // either way.
  const tag = queue.nextTag({ takeovers: 0, isBegun: false, requeuedMs: nowMs });
  const fresh = formatName(event, 0, nowMs, tag);
  try {
    await renameIntoNew(queue, from, fresh);
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Taken by somebody else, or done by us and the reply got lost.
    if (!await holds(queue.place, "new", fresh)) return false;
  }
  await removeReason(queue, `${from}.why`);
  return true;
}

/** The letter has gone; a reason that resists is the sweep's. */
export async function removeReason(queue: Queue, path: string): Promise<void> {
  try {
    await queue.place.runtime.disk.remove(path);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

/** Rename a file to a name in `new/`. */
export async function renameIntoNew(queue: Queue, from: string, name: string): Promise<void> {
  const { disk } = queue.place.runtime;
  const to = queue.path("new", name);
  try {
    await disk.rename(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await ensureFolder(queue.place, "new");
    await disk.rename(from, to);
  }
}
