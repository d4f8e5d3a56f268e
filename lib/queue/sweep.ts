/**
 * What crashes leave behind that no later step of the queue picks up: drafts in `tmp/` that were
 * never published, reasons in `doa/` whose dead letter never came, and owner files: those that a
 * crash stopped on their way to `cur/`, and in `cur/` those of owners that have vanished where
 * their locks don't tell. All are removed once they are so old that nobody can still be working on
 * them.
 *
 * @module
 */

import { type Awaitable, errorCode, type Stat } from "../runtime/runtime.ts";
import { SWEEP_AGE_MS } from "./constants.ts";
import { parseName, parseOwnerFile } from "./name.ts";
import { sweepOwner, WAY } from "./store/owner.ts";
import { holds, isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";

/** Names looked at between two returns to the event loop. */
const STRIDE = 256;

/**
 * Remove what is left over.
 *
 * @param signal Ends the sweep early.
 * @returns How many files were removed.
 * @throws The disk's error, when a folder can't be listed; after the others were swept.
 */
export async function sweep(queue: Queue, signal: AbortSignal): Promise<number> {
  let removed = 0;
  let failure: { readonly error: unknown } | undefined;
  for (const folder of WAY) {
    try {
      removed += await sweepFolder(queue, folder, signal);
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure) throw failure.error;
  return removed;
}

async function sweepFolder(
  queue: Queue,
  folder: string,
  signal: AbortSignal,
): Promise<number> {
  const { disk, clock } = queue.place.runtime;
  let removed = 0;
  let seen = 0;
  try {
    for await (const { name, kind } of disk.list(`${queue.place.base}/${folder}`)) {
      if (signal.aborted) break;
      if (++seen % STRIDE === 0) await clock.sleep(0, signal);
      if (kind !== "file" || !mayBeLeftOver(folder, name)) continue;
      if (folder === "cur") {
        if (await attempt(() => sweepOwner(queue, name))) removed++;
        continue;
      }
      if (!await attempt(() => isLeftOver(queue, folder, name))) continue;
      if (isReason(folder, name) && !await isStray(queue, letterOf(name))) continue;
      if (await attempt(() => disk.remove(queue.path(folder, name)))) removed++;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return removed;
}

/**
 * What `verb` answers; `false` for a file that is gone meanwhile or resists, which the next sweep
 * looks at again.
 */
async function attempt(verb: () => Awaitable<boolean | void>): Promise<boolean> {
  try {
    return await verb() ?? true;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}

function isOld(queue: Queue, stat: Stat): boolean {
  return queue.place.runtime.clock.now() - Math.max(stat.mtimeMs, stat.ctimeMs) > SWEEP_AGE_MS;
}

function isReason(folder: string, name: string): boolean {
  return folder === "doa" && !name.startsWith(".") && name.endsWith(".why");
}

function letterOf(reason: string): string {
  return reason.slice(0, -".why".length);
}

/** As far as its name tells: most names in `new/` can't be. */
function mayBeLeftOver(folder: string, name: string): boolean {
  if (name.startsWith(".")) return parseOwnerFile(name) !== undefined;
  return folder === "tmp" || isReason(folder, name);
}

async function isLeftOver(queue: Queue, folder: string, name: string): Promise<boolean> {
  if (isReason(folder, name) && await isThere(queue, letterOf(name))) return false;
  return isOld(queue, await queue.place.runtime.disk.lstat(queue.path(folder, name)));
}

/** As far as the first look goes. */
async function isThere(queue: Queue, letter: string): Promise<boolean> {
  try {
    await queue.place.runtime.disk.lstat(queue.path("doa", letter));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * A clock that jumped makes every reason old, and a network file system may not see a letter that
 * has just come. So before the reason goes, its claim is looked for and then the letter, in the
 * order in which the event travels, in listings, which are never stale.
 */
async function isStray(queue: Queue, letter: string): Promise<boolean> {
  const { disk } = queue.place.runtime;
  const { tag } = parseName(letter);
  for await (const { name } of disk.list(`${queue.place.base}/cur`)) {
    if (tag !== undefined && parseName(name).tag === tag) return false;
  }
  return !await holds(queue.place, "doa", letter);
}
