/**
 * Batches: which of the events in a lane's memory go out together in the next request.
 *
 * An event waits for others only while more can be taken in at once: a short queue is not waited
 * for, unless told to. A batch that is full goes first; but an event that has waited for a second
 * goes with whatever there is for it, so that a rare kind isn't forgotten behind a common one.
 *
 * @module
 */

import type { EventRequest } from "../event/request.ts";
import type { World } from "../store/store.ts";
import type { ConsumerSettings } from "../config/consumer.ts";
import type { Live } from "../config/settings.ts";
import type { Prepared } from "./prepare.ts";

/** As long as more can be taken in, an event waits for others no longer than this. */
const LONGEST_WAIT_MS = 1_000;

/**
 * As if the concurrency were at least this: where it is small, a batch of each of some contexts has
 * to fit into memory.
 */
const LEAST_CONCURRENCY = 16;

/** Batches in memory for one lane. */
const BATCHES_A_LANE = 16;

/** Size of the event files in memory beyond which no more are taken in. */
const MOST_BYTES = 64 * 1024 * 1024;

/** One request for one or several events. */
export interface Batch {
  /** What to send. */
  readonly request: EventRequest;
  /** Its idempotency key. */
  readonly key: string;
}

/** Picks batches, and makes one request of each. */
export class Batcher {
  readonly #options: Live<ConsumerSettings>;
  readonly #world: World;
  readonly #once: boolean;
  #splits = 0;

  /** @param once Whether nobody else is coming, so that nothing is to wait for others. */
  constructor(options: Live<ConsumerSettings>, world: World, once: boolean) {
    this.#options = options;
    this.#world = world;
    this.#once = once;
  }

  /** How long an event waits for others when no more can be taken in. */
  get #waitMs(): number {
    return this.#once ? 0 : this.#options.current.mergeWaitMs;
  }

  /** Most events of one batch. */
  get count(): number {
    return this.#options.current.mergeCount;
  }

  /** Most events in memory of one lane. */
  get mostOfLane(): number {
    return BATCHES_A_LANE * this.count;
  }

  /**
   * Whether no more are to be taken in: for each request in flight a batch is in memory, or too
   * many bytes.
   */
  isFull(events: number, bytes: number): boolean {
    const concurrency = Math.max(this.#options.current.concurrency, LEAST_CONCURRENCY);
    return events >= concurrency * this.count || bytes >= MOST_BYTES;
  }

  /**
   * The next batch of a lane; empty while it had better wait for more.
   *
   * @param queue What the lane has in memory, the oldest first.
   * @param isDry Whether no more can be taken in right now.
   */
  pick(queue: readonly Prepared[], isDry: boolean): readonly Prepared[] {
    const { mergeBytes } = this.#options.current;
    const nowMs = this.#world.clock.monotonic();
    const waitMs = isDry ? this.#waitMs : Math.max(this.#waitMs, LONGEST_WAIT_MS);
    const dueGroup = queue.find(({ merging }) => merging && nowMs - merging.sinceMs >= waitMs)
      ?.merging?.group;
    const batches = new Map<string, { readonly events: Prepared[]; bytes: number }>();
    for (const event of queue) {
      if (!event.merging) return [event];
      const { group, part } = event.merging;
      if (dueGroup !== undefined && group !== dueGroup) continue;
      let batch = batches.get(group);
      if (!batch) batches.set(group, batch = { events: [], bytes: part.frameBytes });
      else if (batch.bytes + part.bytes > mergeBytes) return batch.events;
      batch.events.push(event);
      batch.bytes += part.bytes;
      if (batch.events.length >= this.count) return batch.events;
    }
    return dueGroup === undefined ? [] : batches.get(dueGroup)!.events;
  }

  /** When what a lane has in memory goes out although nothing joins it, monotonic ms. */
  dueMs(queue: readonly Prepared[]): number {
    let firstMs = Infinity;
    for (const { merging } of queue) {
      firstMs = Math.min(firstMs, merging ? merging.sinceMs + this.#waitMs : -Infinity);
    }
    return firstMs;
  }

  /** One request for events that were picked together. */
  async batchOf(events: readonly Prepared[]): Promise<Batch> {
    const [{ request, claim }] = events as [Prepared];
    if (events.length === 1) return { request, key: claim.id };
    const parts = events.map(({ merging }) => merging!.part);
    const ids = events.map(({ claim: { id } }) => id).sort().join("\n");
    return {
      request: this.#options.current.merge!.merge(request, parts),
      key: await this.#world.sha256(ids),
    };
  }

  /**
   * The two halves of a batch that was refused as a whole; nothing joins them. One that is alone
   * goes as it is.
   */
  split(events: readonly Prepared[]): Prepared[] {
    const half = Math.ceil(events.length / 2);
    return [events.slice(0, half), events.slice(half)].flatMap((part) => {
      const group = `split ${this.#splits++}`;
      return part.map(({ merging, ...event }) =>
        part.length === 1
          ? event
          : { ...event, merging: { ...merging!, group, sinceMs: -Infinity } }
      );
    });
  }
}
