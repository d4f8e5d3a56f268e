/**
 * Gathering: which of the events in a lane's memory go out together in the next request.
 *
 * An event waits for others only while more can be taken in at once: a short queue is not waited
 * for, unless told to. A batch that is full goes first; but an event that has waited for a second
 * goes with whatever there is for it, so that a rare kind isn't forgotten behind a common one.
 *
 * @module
 */

import type { Part } from "../merge/merger.ts";
import type { Prepared } from "./delivery.ts";
import type { ResolvedOptions } from "./options.ts";

/** What merging knows of a prepared event. */
export interface Gathered {
  /** What it brings. */
  readonly part: Part;
  /** With equal ones it may share a request. */
  readonly group: string;
  /** Since when it waits for others, monotonic ms. */
  readonly sinceMs: number;
}

/** As long as more can be taken in, an event waits for others no longer than this. */
const LONGEST_GATHER_MS = 1_000;

/**
 * As if there were this many threads at least: with few, a batch of each of some contexts has to
 * fit into memory.
 */
const LEAST_THREADS = 16;

/** Batches in memory for one lane. */
const BATCHES_A_LANE = 16;

/** Size of the event files in memory beyond which no more are taken in. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Picks batches. */
export class Gathering {
  readonly #count: number;
  readonly #bytes: number;
  readonly #threads: number;
  #splits = 0;
  /** How long an event waits for others when no more can be taken in. */
  waitMs: number;

  /** With the limits of a consumer. */
  constructor({ mergeCount, mergeBytes, mergeWaitMs, threads }: ResolvedOptions) {
    this.#count = mergeCount;
    this.#bytes = mergeBytes;
    this.waitMs = mergeWaitMs;
    this.#threads = threads;
  }

  /** Most events of one batch. */
  get count(): number {
    return this.#count;
  }

  /** Most events in memory of one lane. */
  get mostOfLane(): number {
    return BATCHES_A_LANE * this.#count;
  }

  /**
   * Whether no more are to be taken in: for each thread a batch is in memory, or too many bytes.
   */
  isFull(events: number, bytes: number): boolean {
    return events >= Math.max(this.#threads, LEAST_THREADS) * this.#count || bytes >= MOST_BYTES;
  }

  /**
   * The next batch of a lane; empty while it had better wait for more.
   *
   * @param queue What the lane has in memory, the oldest first.
   * @param isDry Whether no more can be taken in right now.
   */
  pick(queue: readonly Prepared[], nowMs: number, isDry: boolean): readonly Prepared[] {
    const waitMs = isDry ? this.waitMs : Math.max(this.waitMs, LONGEST_GATHER_MS);
    const dueGroup = queue.find(({ gathered }) => gathered && nowMs - gathered.sinceMs >= waitMs)
      ?.gathered?.group;
    const batches = new Map<string, { readonly events: Prepared[]; bytes: number }>();
    for (const event of queue) {
      if (!event.gathered) return [event];
      const { group, part } = event.gathered;
      if (dueGroup !== undefined && group !== dueGroup) continue;
      let batch = batches.get(group);
      if (!batch) batches.set(group, batch = { events: [], bytes: part.frameBytes });
      else if (batch.bytes + part.bytes > this.#bytes) return batch.events;
      batch.events.push(event);
      batch.bytes += part.bytes;
      if (batch.events.length >= this.#count) return batch.events;
    }
    return dueGroup === undefined ? [] : batches.get(dueGroup)!.events;
  }

  /** When what a lane has in memory goes out although nothing joins it, monotonic ms. */
  dueMs(queue: readonly Prepared[]): number {
    let firstMs = Infinity;
    for (const { gathered } of queue) {
      firstMs = Math.min(firstMs, gathered ? gathered.sinceMs + this.waitMs : -Infinity);
    }
    return firstMs;
  }

  /**
   * The two halves of a batch that was refused as a whole; nothing joins them. One that is alone
   * goes as it is.
   */
  split(events: readonly Prepared[]): Prepared[] {
    const half = Math.ceil(events.length / 2);
    return [events.slice(0, half), events.slice(half)].flatMap((part) => {
      const group = `split ${this.#splits++}`;
      return part.map(({ gathered, ...event }) =>
        part.length === 1
          ? event
          : { ...event, gathered: { ...gathered!, group, sinceMs: -Infinity } }
      );
    });
  }
}
