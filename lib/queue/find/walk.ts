/**
 * All events of a state, from names alone, those first that an operator looks for first: the dead
 * that died last, the deferred that are due next, the delivered that were delivered last. Of what
 * is ready or claimed the order within a slice of names is by age.
 *
 * Of a million deferred events the first fifty cost a look into a few buckets. The names of all
 * dead letters are in memory for a moment, since nothing else tells their order.
 *
 * @module
 */

import { bucketTimeMs } from "../buckets.ts";
import { SENT_FOLDER } from "../layout.ts";
import { parseName } from "../name.ts";
import { isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import { sentHourMs } from "../sent.ts";
import { type EventState, type FoundEvent, foundEvent } from "./event.ts";

/** Names of new or claimed events that are sorted by age together. */
const SLICE = 1_024;

/**
 * The events of a state.
 *
 * @param destination Only those in this destination's folder, or in one that several share: whose
 * they are is to be looked at. Says something of deferred events only.
 * @throws The disk's error, when a folder can't be listed.
 */
export function eventsOf(
  queue: Queue,
  state: EventState,
  destination?: string,
): AsyncIterable<FoundEvent> {
  switch (state) {
    case "dead":
      return deadLetters(queue);
    case "deferred":
      return deferred(queue, destination);
    case "claimed":
      return inSlices(queue, state, "cur");
    case "ready":
      return inSlices(queue, state, "new");
    case "sent":
      return sent(queue);
  }
}

interface Names {
  readonly files: string[];
  readonly folders: string[];
}

/** The names in a folder that are events or folders; none where there is no such folder. */
async function* entriesOf(
  queue: Queue,
  folder: string,
): AsyncIterable<{ readonly name: string; readonly isFolder: boolean }> {
  try {
    for await (
      const { name, kind } of queue.place.runtime.disk.list(`${queue.place.base}/${folder}`)
    ) {
      if (name.startsWith(".")) continue;
      if (kind === "file" || kind === "directory") yield { name, isFolder: kind === "directory" };
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function namesIn(queue: Queue, folder: string): Promise<Names> {
  const names: Names = { files: [], folders: [] };
  for await (const { name, isFolder } of entriesOf(queue, folder)) {
    (isFolder ? names.folders : names.files).push(name);
  }
  return names;
}

/** By the times in their names. */
function sorted(names: string[], order: "first" | "last"): string[] {
  const times = new Map(names.map((name) => [name, parseName(name).timeMs ?? 0]));
  const sign = order === "first" ? 1 : -1;
  return names.sort((a, b) => sign * (times.get(a)! - times.get(b)!));
}

async function* deadLetters(queue: Queue): AsyncIterable<FoundEvent> {
  const { files } = await namesIn(queue, "doa");
  const letters = files.filter((name) => !name.endsWith(".why"));
  for (const name of sorted(letters, "last")) yield foundEvent("dead", "doa", name);
}

async function* inSlices(
  queue: Queue,
  state: "ready" | "claimed",
  folder: "new" | "cur",
): AsyncIterable<FoundEvent> {
  let slice: FoundEvent[] = [];
  const inOrder = () => slice.sort((a, b) => (a.enqueuedMs ?? 0) - (b.enqueuedMs ?? 0));
  for await (const { name, isFolder } of entriesOf(queue, folder)) {
    if (isFolder) continue;
    if (slice.push(foundEvent(state, folder, name)) < SLICE) continue;
    yield* inOrder();
    slice = [];
  }
  yield* inOrder();
}

/** What waits for one destination, or a part of it. */
interface Bucket {
  readonly folder: string;
  /** When the first of it may be due, Unix ms. */
  readonly fromMs: number;
  /** Those of its names that are known already. */
  readonly names?: readonly string[];
}

async function* deferred(queue: Queue, destination: string | undefined): AsyncIterable<FoundEvent> {
  const { files, folders } = await namesIn(queue, "defer");
  const buckets: Bucket[] = [{ folder: "defer", fromMs: 0, names: files }];
  for (const name of folders) {
    if (destination !== undefined && name !== destination && name !== "others") continue;
    const folder = `defer/${name}`;
    const inside = await namesIn(queue, folder);
    if (inside.files.length > 0) buckets.push({ folder, fromMs: 0, names: inside.files });
    for (const bucket of inside.folders) {
      const fromMs = bucketTimeMs(bucket);
      if (fromMs !== undefined) buckets.push({ folder: `${folder}/${bucket}`, fromMs });
    }
  }
  buckets.sort((a, b) => a.fromMs - b.fromMs);
  for (const { folder, names } of buckets) {
    const files = names === undefined ? (await namesIn(queue, folder)).files : [...names];
    for (const name of sorted(files, "first")) yield foundEvent("deferred", folder, name);
  }
}

async function* sent(queue: Queue): AsyncIterable<FoundEvent> {
  const { folders } = await namesIn(queue, SENT_FOLDER);
  const hours = folders.filter((name) => sentHourMs(name) !== undefined).sort().reverse();
  for (const hour of hours) {
    const folder = `${SENT_FOLDER}/${hour}`;
    const { files } = await namesIn(queue, folder);
    for (const name of sorted(files, "last")) yield foundEvent("sent", folder, name);
  }
}
