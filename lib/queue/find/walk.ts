/**
 * All events of a state, from names alone, those first that an operator looks for first: the dead
 * that died last, the deferred that are due next, the delivered that were delivered last. Of what
 * is ready or claimed the order within a slice of names is by age.
 *
 * Of a million deferred events the first fifty cost a look into a few buckets. All names of dead
 * letters are looked at for the first, since nothing else tells their order.
 *
 * @module
 */

import { BUCKET_WINDOW_MS, bucketTimeMs } from "../buckets.ts";
import { SENT_FOLDER } from "../layout.ts";
import { isMissing } from "../place.ts";
import { type Queue, SHARED_FOLDER } from "../queue.ts";
import { sentHourMs } from "../sent.ts";
import { uuidTimeMs } from "../uuid.ts";
import { type EventState, type FoundEvent, foundEvent } from "./event.ts";

/** Names of new or claimed events that are sorted by age together. */
const SLICE = 1_024;

/** Names of dead letters that are in memory, twice as many for a moment. */
const MOST_SORTED = 32_768;

/** Names of one folder. */
export interface NamesOfFolder {
  /** The folder, below the base directory. */
  readonly folder: string;
  /** Names of events in it, in any order. */
  readonly names: readonly string[];
}

/**
 * The events of a state, in order.
 *
 * @param destination Only those in this destination's folder, or in one that several share: whose
 * they are is to be looked at. Says something of deferred events only.
 * @throws The disk's error, when a folder can't be listed.
 */
export async function* eventsOf(
  queue: Queue,
  state: EventState,
  destination?: string,
): AsyncIterable<FoundEvent> {
  for await (const { folder, names } of namesOf(queue, state, destination)) {
    for (const name of inOrder(state, names)) yield foundEvent(state, folder, name);
  }
}

/** As {@linkcode eventsOf}, names alone, a folder or a slice of one at a time. */
export function namesOf(
  queue: Queue,
  state: EventState,
  destination?: string,
): AsyncIterable<NamesOfFolder> {
  switch (state) {
    case "dead":
      return deadLetters(queue);
    case "deferred":
      return deferred(queue, destination);
    case "claimed":
      return inSlices(queue, "cur");
    case "ready":
      return inSlices(queue, "new");
    case "sent":
      return sent(queue);
  }
}

/** The time in a name, Unix ms; 0 where there is none. */
function timeOf(name: string): number {
  return parseInt(name.slice(name.lastIndexOf("@") + 1), 10) || 0;
}

/** What names are sorted by in each state, and whether the largest comes first. */
const ORDER: Readonly<Record<EventState, readonly [by: (name: string) => number, sign: 1 | -1]>> = {
  dead: [timeOf, -1],
  claimed: [(name) => uuidTimeMs(name.slice(0, UUID_LENGTH)) ?? 0, 1],
  deferred: [timeOf, 1],
  ready: [(name) => uuidTimeMs(name.slice(0, UUID_LENGTH)) ?? 0, 1],
  sent: [timeOf, -1],
};

const UUID_LENGTH = 36;

function inOrder(state: EventState, names: readonly string[]): string[] {
  const [by, sign] = ORDER[state];
  const keyed = names.map((name): [number, string] => [by(name), name]);
  return keyed.sort((a, b) => sign * (a[0] - b[0])).map(([, name]) => name);
}

interface Inside {
  readonly files: string[];
  readonly folders: string[];
}

/** What is in a folder; nothing where there is no such folder. All of it at once: that is cheap. */
async function inside(queue: Queue, folder: string): Promise<Inside> {
  const found: Inside = { files: [], folders: [] };
  try {
    const { disk } = queue.place.runtime;
    for (const { name, kind } of await disk.entries(`${queue.place.base}/${folder}`)) {
      if (name.startsWith(".")) continue;
      if (kind === "file") found.files.push(name);
      else if (kind === "directory") found.folders.push(name);
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return found;
}

/** Those that died last come first; as many at a time as there is memory for. */
async function* deadLetters(queue: Queue): AsyncIterable<NamesOfFolder> {
  let before: string | undefined;
  for (;;) {
    const names = await lastDied(queue, before);
    yield { folder: "doa", names };
    if (names.length < MOST_SORTED) return;
    before = names.at(-1);
  }
}

/** Of the dead letters that died before another those that died last, {@linkcode MOST_SORTED}. */
async function lastDied(queue: Queue, before: string | undefined): Promise<readonly string[]> {
  let names: string[] = [];
  const latest = () => names.sort((a, b) => isLater(a, b) ? -1 : 1).slice(0, MOST_SORTED);
  for await (const name of filesIn(queue, "doa")) {
    if (name.endsWith(".why") || before !== undefined && !isLater(before, name)) continue;
    if (names.push(name) >= 2 * MOST_SORTED) names = latest();
  }
  return latest();
}

/** Whether a dead letter comes before another. */
function isLater(name: string, other: string): boolean {
  const [ms, otherMs] = [timeOf(name), timeOf(other)];
  return ms === otherMs ? name > other : ms > otherMs;
}

/** The names of the files in a folder, however many; none where there is no such folder. */
async function* filesIn(queue: Queue, folder: string): AsyncIterable<string> {
  try {
    for await (
      const { name, kind } of queue.place.runtime.disk.list(`${queue.place.base}/${folder}`)
    ) {
      if (kind === "file" && !name.startsWith(".")) yield name;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function* inSlices(queue: Queue, folder: "new" | "cur"): AsyncIterable<NamesOfFolder> {
  let names: string[] = [];
  for await (const name of filesIn(queue, folder)) {
    if (names.push(name) < SLICE) continue;
    yield { folder, names };
    names = [];
  }
  yield { folder, names };
}

/** What waits for one destination, or a part of it. */
interface Bucket {
  readonly folder: string;
  /** When the first of it may be due, Unix ms. */
  readonly fromMs: number;
  /** Its names, where they are known already. */
  readonly names?: readonly string[];
}

async function* deferred(
  queue: Queue,
  destination: string | undefined,
): AsyncIterable<NamesOfFolder> {
  const { files, folders } = await inside(queue, "defer");
  const buckets: Bucket[] = [{ folder: "defer", fromMs: 0, names: files }];
  for (const name of folders) {
    if (destination !== undefined && name !== destination && name !== SHARED_FOLDER) continue;
    buckets.push(...await bucketsOf(queue, `defer/${name}`));
  }
  buckets.sort((a, b) => a.fromMs - b.fromMs);
  for (const { folder, names } of buckets) {
    yield { folder, names: names ?? (await inside(queue, folder)).files };
  }
}

/** What waits in a folder of `defer/`. */
async function bucketsOf(queue: Queue, folder: string): Promise<Bucket[]> {
  const { files, folders } = await inside(queue, folder);
  const loose: Bucket[] = files.length > 0 ? [{ folder, fromMs: 0, names: files }] : [];
  return [
    ...loose,
    ...folders.flatMap((name): Bucket[] => {
      const fromMs = bucketTimeMs(name);
      return fromMs === undefined ? [] : [{ folder: `${folder}/${name}`, fromMs }];
    }),
  ];
}

async function* sent(queue: Queue): AsyncIterable<NamesOfFolder> {
  const { folders } = await inside(queue, SENT_FOLDER);
  const hours = folders.filter((name) => sentHourMs(name) !== undefined).sort().reverse();
  for (const hour of hours) {
    const folder = `${SENT_FOLDER}/${hour}`;
    yield { folder, names: (await inside(queue, folder)).files };
  }
}

/**
 * Where an event waits that was deferred until a time, as the journal says: in one of the buckets
 * of that minute.
 *
 * @returns Its folder and name; `undefined` when it isn't there.
 */
export async function findDeferred(
  queue: Queue,
  id: string,
  destination: string,
  dueMs: number,
): Promise<FoundEvent | undefined> {
  for (const label of [destination, SHARED_FOLDER]) {
    for (const { folder, fromMs, names } of await bucketsOf(queue, `defer/${label}`)) {
      if (fromMs > dueMs || fromMs > 0 && fromMs + BUCKET_WINDOW_MS <= dueMs) continue;
      for (const name of names ?? (await inside(queue, folder)).files) {
        if (!name.startsWith(id)) continue;
        const event = foundEvent("deferred", folder, name);
        if (event.id === id) return event;
      }
    }
  }
  return undefined;
}
