/**
 * How many events are left, for the progress line: counted from the names alone, and counted again
 * now and then, because producers and other consumers are at work too.
 *
 * @module
 */

import { isMissing } from "../queue/place.ts";
import type { Queue } from "../queue/queue.ts";

/** Shortest pause between two counts. */
const PAUSE_MS = 2_000;
/** A count that takes long is made less often: one part counting, this many parts pause. */
const PAUSE_PER_COUNT = 20;

/** Files in a folder of the queue and the folders in it, but dot files; 0 when it isn't there. */
async function countFiles(queue: Queue, folder: string, depth: number): Promise<number> {
  let count = 0;
  try {
    for await (const { name, kind } of queue.place.runtime.disk.list(queue.path(folder, ""))) {
      if (name.startsWith(".")) continue;
      if (kind === "file") count++;
      else if (kind === "directory" && depth > 0) {
        count += await countFiles(queue, `${folder}/${name}`, depth - 1);
      }
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return count;
}

/** `cur/` first, so that few events are counted twice on their way. */
async function count(queue: Queue): Promise<number> {
  return await countFiles(queue, "cur", 0) + await countFiles(queue, "new", 0) +
    await countFiles(queue, "defer", 2);
}

/**
 * Count what is in `new/`, `cur/` and `defer/`, and count it again until stopped.
 *
 * @param ended How many events have left these folders for good so far.
 * @param onCount Told after each count how many are left, about.
 * @param signal Stops it.
 */
export async function watchBacklog(
  queue: Queue,
  ended: () => number,
  onCount: (left: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = queue.place.runtime;
  while (!signal.aborted) {
    const startMs = clock.monotonic();
    const endedBefore = ended();
    try {
      const found = await count(queue);
      // what ended meanwhile had most likely been counted: it was the oldest
      onCount(Math.max(0, found - (ended() - endedBefore)));
    } catch {
      // a disk in trouble is the consumer's to report
    }
    const tookMs = clock.monotonic() - startMs;
    await clock.sleep(Math.max(PAUSE_MS, tookMs * PAUSE_PER_COUNT), signal);
  }
}
