/**
 * Group commit: events that arrive together share the fsync of the folder.
 *
 * Whoever asks first waits one turn of the event loop for others; while a group is being written
 * the next one gathers. An event is answered for only when it is durable itself.
 *
 * @module
 */

import { EnqueueError } from "../queue/enqueue.ts";
import { QueueFullError } from "../queue/full.ts";
import type { Queue } from "../queue/queue.ts";

/** Most events in a group: the first must not wait for too many others. */
const MOST_EVENTS = 500;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly resolve: (id: string) => void;
  readonly reject: (error: unknown) => void;
}

/** Puts events on a queue, those that come at the same time together. */
export class GroupCommit {
  readonly #queue: Queue;
  #waiting: Waiting[] = [];
  #isWorking = false;

  /** Nothing is written before the first event. */
  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /**
   * Put the bytes of an event file on the queue.
   *
   * @returns Its id, once it is durable.
   * @throws The disk's error; the event is not acknowledged then.
   */
  enqueue(bytes: Uint8Array): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, resolve, reject });
      if (!this.#isWorking) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    while (this.#waiting.length > 0) {
      await this.#queue.place.runtime.clock.sleep(0); // requests that are there already come in
      await this.#commit(this.#waiting.splice(0, MOST_EVENTS));
    }
    this.#isWorking = false;
  }

  /** There is no room for all of them: for some there may be. */
  async #halve(group: readonly Waiting[]): Promise<void> {
    const half = group.length >> 1;
    await this.#commit(group.slice(0, half));
    await this.#commit(group.slice(half));
  }

  /** Never rejects: every member of the group hears of its own event. */
  async #commit(group: readonly Waiting[]): Promise<void> {
    try {
      const ids = await this.#queue.enqueueMany(group.map(({ bytes }) => bytes));
      for (const [at, { resolve }] of group.entries()) resolve(ids[at]!);
    } catch (error) {
      if (error instanceof QueueFullError && group.length > 1) return await this.#halve(group);
      const ids = error instanceof EnqueueError ? error.enqueued : [];
      for (const [at, { resolve, reject }] of group.entries()) {
        if (at < ids.length) resolve(ids[at]!);
        else reject(error);
      }
    }
  }
}
