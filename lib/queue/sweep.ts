/**
 * What crashes leave behind that no later step of the queue picks up: drafts in `tmp/` that were never published, reasons in
 * `doa/` whose dead letter never came, and owner files that a crash stopped on their way to `cur/`. All are removed once they are
 * so old that nobody can still be working on them.
 *
 * @module
 */

import { errorCode, type Stat } from "../runtime/runtime.ts";
import { SWEEP_AGE_MS } from "./constants.ts";
import { parseOwnerFile } from "./name.ts";
import { WAY } from "./owner.ts";
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
  let removed = 0;
  for (const folder of WAY.slice(0, -1)) removed += await sweepFolder(queue, folder, signal);
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
      if (kind !== "file") continue;
      try {
        if (!await isLeftOver(queue, folder, name)) continue;
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

async function isLeftOver(queue: Queue, folder: string, name: string): Promise<boolean> {
  const mayBe = name.startsWith(".")
    ? parseOwnerFile(name) !== undefined
    : folder === "tmp" || folder === "doa" && await isStrayReason(queue, name);
  return mayBe && isOld(queue, await queue.place.runtime.disk.lstat(queue.path(folder, name)));
}

async function isStrayReason(queue: Queue, name: string): Promise<boolean> {
  if (!name.endsWith(".why")) return false;
  try {
    await queue.place.runtime.disk.lstat(queue.path("doa", name.slice(0, -".why".length)));
    return false;
  } catch (error) {
    if (isMissing(error)) return true;
    throw error;
  }
}
