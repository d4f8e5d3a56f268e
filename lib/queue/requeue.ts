/**
 * Bringing dead letters back: `doa/` → `new/`, attempts from 0, age from now.
 *
 * @module
 */

import { formatName, parseName } from "./name.ts";
import { ensureFolder, holds, isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";

/** What {@linkcode requeue} did. */
export interface Requeued {
  /** Ids of the events that are in `new/` again, one for each file. */
  readonly requeued: readonly string[];
  /** What was asked for and is not in `doa/`. */
  readonly unknown: readonly string[];
}

/**
 * Put dead letters back on the queue: those with one of the ids (or file names) given, or all.
 * Several dead letters of one id all come back. Each is durable on return.
 *
 * @param onProgress Told how many are done, after each; what it returns is waited for.
 * @throws The disk's error.
 */
export async function requeue(
  queue: Queue,
  ids: readonly string[] | "all",
  onProgress: (done: number) => void | Promise<void> = () => {},
): Promise<Requeued> {
  const { disk } = queue.place.runtime;
  const wanted = ids === "all" ? undefined : new Set(ids);
  const found = new Set<string>();
  const requeued: string[] = [];
  try {
    for await (const { name, kind } of disk.list(`${queue.place.base}/doa`)) {
      if (kind !== "file" || name.startsWith(".") || name.endsWith(".why")) continue;
      const { id } = parseName(name);
      if (wanted) {
        if (!wanted.has(id) && !wanted.has(name)) continue;
        found.add(wanted.has(id) ? id : name);
      }
      if (!await raise(queue, name)) continue;
      requeued.push(id);
      await onProgress(requeued.length);
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  if (requeued.length > 0) await disk.syncDir(`${queue.place.base}/new`);
  return { requeued, unknown: ids === "all" ? [] : ids.filter((id) => !found.has(id)) };
}

/** @returns `false` when somebody else took the dead letter meanwhile. */
async function raise(queue: Queue, name: string): Promise<boolean> {
  const { disk, clock } = queue.place.runtime;
  const event = parseName(name);
  const nowMs = clock.now();
  const from = queue.path("doa", name);
  // An id that can't be one is left to the claim, which replaces it; a tag makes the name fresh
  // either way.
  const fresh = formatName(event, 0, nowMs, queue.nextTag());
  try {
    await disk.touch(from, nowMs); // the age of an event that has died once starts anew
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  try {
    await renameInto(queue, from, queue.path("new", fresh));
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Taken by somebody else, or done by us and the reply got lost.
    if (!await holds(queue.place, "new", fresh)) return false;
  }
  try {
    await disk.remove(`${from}.why`);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return true;
}

async function renameInto(queue: Queue, from: string, to: string): Promise<void> {
  try {
    await queue.place.runtime.disk.rename(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await ensureFolder(queue.place, "new");
    await queue.place.runtime.disk.rename(from, to);
  }
}
