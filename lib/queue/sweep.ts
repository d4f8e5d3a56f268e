/**
 * What crashes leave behind that no later step of the queue picks up: drafts in `tmp/` that were never published, and reasons in
 * `doa/` whose dead letter never came. Both are removed once they are so old that nobody can still be working on them.
 *
 * @module
 */

import { errorCode, type Stat } from "../runtime/runtime.ts";
import { SWEEP_AGE_MS } from "./constants.ts";
import { parseOwnerFile } from "./name.ts";
import { isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";

/** Names looked at between two returns to the event loop. */
const STRIDE = 256;

/**
 * Remove what is left over.
 *
 * @param signal Ends the sweep early.
 * @returns How many files were removed.
 * @throws The disk's error, when a folder can't be listed.
 */
export async function sweep(queue: Queue, signal: AbortSignal): Promise<number> {
  return await sweepFolder(queue, "tmp", isStaleDraft, signal) +
    await sweepFolder(queue, "doa", isStrayReason, signal);
}

async function sweepFolder(
  queue: Queue,
  folder: string,
  isLeftOver: (queue: Queue, name: string) => Promise<boolean>,
  signal: AbortSignal,
): Promise<number> {
  const { disk, clock } = queue.place.runtime;
  let removed = 0;
  let seen = 0;
  try {
    for await (const { name, kind } of disk.list(`${queue.place.base}/${folder}`)) {
      if (signal.aborted) break;
      if (++seen % STRIDE === 0) await clock.sleep(0, signal);
      if (kind !== "file") continue;
      try {
        if (!await isLeftOver(queue, name)) continue;
        await disk.remove(queue.path(folder, name));
        removed++;
      } catch (error) {
        if (errorCode(error) === undefined) throw error; // gone meanwhile, or it resists: looked at again by the next sweep
      }
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return removed;
}

function isOld(queue: Queue, stat: Stat): boolean {
  return queue.place.runtime.clock.now() - Math.max(stat.mtimeMs, stat.ctimeMs) > SWEEP_AGE_MS;
}

async function isStaleDraft(queue: Queue, name: string): Promise<boolean> {
  if (name.startsWith(".") && parseOwnerFile(name) === undefined) return false;
  return isOld(queue, await queue.place.runtime.disk.lstat(queue.path("tmp", name)));
}

async function isStrayReason(queue: Queue, name: string): Promise<boolean> {
  const { disk } = queue.place.runtime;
  if (name.startsWith(".") || !name.endsWith(".why")) return false;
  try {
    await disk.lstat(queue.path("doa", name.slice(0, -".why".length)));
    return false;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return isOld(queue, await disk.lstat(queue.path("doa", name)));
}
