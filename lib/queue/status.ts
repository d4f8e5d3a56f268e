/**
 * What is on the queue, at a glance: counted from names, and for dead letters from their reasons. Reads only.
 *
 * @module
 */

import { dueMs, whyNotAnEvent } from "./listing.ts";
import { parseName } from "./name.ts";
import { isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";

/** Of one destination. */
export interface DestinationStatus {
  /** The destination's folder name. */
  readonly destination: string;
  /** Events in `defer/`. */
  readonly waiting: number;
  /** Dead letters. */
  readonly dead: number;
  /** When the first of those waiting is due, Unix ms; `undefined` when none waits. */
  readonly nextAttemptMs: number | undefined;
}

/** Of the whole queue. */
export interface QueueStatus {
  /** In `tmp/`. */
  readonly writing: number;
  /** In `new/`. */
  readonly ready: number;
  /** In `cur/`. */
  readonly claimed: number;
  /** In `defer/`. */
  readonly deferred: number;
  /** In `doa/`. */
  readonly dead: number;
  /** Responses in `res/`. */
  readonly responses: number;
  /** Files whose names are not UTF-8. */
  readonly unreachable: number;
  /** By destination, sorted by name. Events in `new/` have none before they are read. */
  readonly destinations: readonly DestinationStatus[];
}

/** Reasons longer than this are not ours. */
const LONGEST_REASON_BYTES = 64 * 1024;

interface Tally {
  waiting: number;
  dead: number;
  nextAttemptMs: number | undefined;
}

class Census {
  readonly destinations = new Map<string, Tally>();
  unreachable = 0;
  #queue: Queue;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  of(destination: string): Tally {
    let tally = this.destinations.get(destination);
    if (!tally) {
      this.destinations.set(destination, tally = { waiting: 0, dead: 0, nextAttemptMs: undefined });
    }
    return tally;
  }

  /** Names of the files in a folder, and of its folders. */
  async *names(folder: string): AsyncIterable<{ name: string; isFolder: boolean }> {
    try {
      for await (
        const entry of this.#queue.place.runtime.disk.list(`${this.#queue.place.base}/${folder}`)
      ) {
        const other = await whyNotAnEvent(this.#queue.place, folder, entry);
        if (other === "unreachable") this.unreachable++;
        if (other === undefined || other === "directory") {
          yield { name: entry.name, isFolder: other === "directory" };
        }
      }
    } catch (error) {
      if (!isMissing(error)) throw error; // a folder that isn't there is an empty one
    }
  }

  async count(folder: string, counts: (name: string) => boolean = () => true): Promise<number> {
    let count = 0;
    for await (const { name, isFolder } of this.names(folder)) {
      if (!isFolder && counts(name)) count++;
    }
    return count;
  }

  async waiting(folder: string, destination: string): Promise<number> {
    const nowMs = this.#queue.place.runtime.clock.now();
    let count = 0;
    for await (const { name, isFolder } of this.names(folder)) {
      if (isFolder) {
        if (folder.split("/").length < 3) {
          count += await this.waiting(`${folder}/${name}`, destination || name);
        }
        continue;
      }
      count++;
      const tally = this.of(destination);
      tally.waiting++;
      tally.nextAttemptMs = Math.min(
        tally.nextAttemptMs ?? Infinity,
        dueMs(parseName(name), nowMs) || nowMs,
      );
    }
    return count;
  }

  async dead(): Promise<number> {
    let count = 0;
    for await (const { name, isFolder } of this.names("doa")) {
      if (isFolder || name.endsWith(".why")) continue;
      count++;
      this.of(await this.#destinationOfDead(name)).dead++;
    }
    return count;
  }

  async #destinationOfDead(name: string): Promise<string> {
    try {
      const { bytes } = await this.#queue.place.runtime.disk.read(
        this.#queue.path("doa", `${name}.why`),
        LONGEST_REASON_BYTES,
      );
      const why: unknown = JSON.parse(new TextDecoder().decode(bytes));
      if (
        typeof why === "object" && why !== null && "destination" in why &&
        typeof why.destination === "string"
      ) {
        return why.destination;
      }
    } catch {
      // no reason beside it, or not one of ours
    }
    return UNKNOWN_DESTINATION;
  }
}

/** Stands for dead letters that have no destination: broken files, and those without a reason. */
export const UNKNOWN_DESTINATION = "(none)";

/**
 * Count what is on the queue.
 *
 * @throws The disk's error, when a folder can't be listed.
 */
export async function status(queue: Queue): Promise<QueueStatus> {
  const census = new Census(queue);
  const totals = {
    writing: await census.count("tmp"),
    ready: await census.count("new"),
    claimed: await census.count("cur"),
    deferred: await census.waiting("defer", ""),
    dead: await census.dead(),
    responses: await census.count("res", (name) => !name.endsWith(".meta")),
  };
  const destinations = [...census.destinations]
    .map(([destination, tally]) => ({ destination, ...tally }))
    .sort((a, b) => a.destination < b.destination ? -1 : 1);
  return { ...totals, unreachable: census.unreachable, destinations };
}

/**
 * Whether no event is left in `new/`, `cur/` or `defer/`, whoever holds it. What can't be reached or isn't an event doesn't count.
 *
 * @param counts Which destinations' folders in `defer/` count. @default {all}
 */
export async function isEmpty(
  queue: Queue,
  counts: (destination: string) => boolean = () => true,
): Promise<boolean> {
  const census = new Census(queue);
  const anyIn = async (folder: string): Promise<boolean> => {
    for await (const { name, isFolder } of census.names(folder)) {
      if (!isFolder) return true;
      if (folder === "defer" && !counts(name)) continue;
      if (
        folder.startsWith("defer") && folder.split("/").length < 3 &&
        await anyIn(`${folder}/${name}`)
      ) return true;
    }
    return false;
  };
  // In the order events travel, so that one that is claimed meanwhile is met in cur/; then once more what a claim may go back to.
  for (const folder of ["defer", "new", "cur", "defer", "new"]) {
    if (await anyIn(folder)) return false;
  }
  return true;
}
