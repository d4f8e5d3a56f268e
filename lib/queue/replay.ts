/**
 * Delivering once more what was delivered: `sent/` → `new/`, attempts from 0.
 *
 * One rename an event, so it is either kept as delivered or on the queue again, whatever is killed.
 * Its tag says from then on that it is a replay, and since when, also when it is in `sent/` again:
 * whoever replays the same time once more, because the first run was interrupted, can leave out
 * what had come so far. An event is replayed twice by such runs only if a power cut takes back a
 * rename that has already led to a delivery.
 *
 * @module
 */

import { type EventName, formatName, parseName, parseTag } from "./name.ts";
import { holds, isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";
import { renameIntoNew } from "./requeue.ts";
import { uuidv7 } from "./uuid.ts";

/** When a delivered event was replayed, Unix ms, if its last delivery was one of a replay. */
export function replayedMs(name: string): number | undefined {
  const { tag } = parseName(name);
  const read = tag === undefined ? undefined : parseTag(tag);
  return read?.isReplay ? read.requeuedMs : undefined;
}

/**
 * Put one delivered event back on the queue. Not yet on stable storage.
 *
 * @param newId Whether it gets an id of its own, so that its endpoint takes it for another event.
 * @returns `false` when somebody else has moved or removed it meanwhile.
 * @throws The disk's error; it is where it was.
 */
export async function replay(
  queue: Queue,
  folder: string,
  name: string,
  newId = false,
): Promise<boolean> {
  const { clock, random } = queue.place.runtime;
  const nowMs = clock.now();
  const was = parseName(name);
  const is: Pick<EventName, "id" | "extension"> = newId
    ? { id: uuidv7(nowMs, random), extension: was.extension }
    : was;
  const fate = { takeovers: 0, isBegun: false, requeuedMs: nowMs, isReplay: true };
  const fresh = formatName(is, 0, nowMs, queue.nextTag(fate));
  try {
    await renameIntoNew(queue, queue.path(folder, name), fresh);
    return true;
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Taken by somebody else, or done by us and the reply got lost.
    return await holds(queue.place, "new", fresh);
  }
}
