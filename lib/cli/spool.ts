/**
 * Events that wait until all of a call's events are known to be good.
 *
 * "Nothing of this call" means that the last line decides about the first, and the input may be
 * larger than memory. So what has been checked waits in the queue's own `tmp/`, a batch a file;
 * only the last batch stays in memory, which for most calls is all there is. What a crash leaves
 * there was promised to nobody, and the sweep removes it.
 *
 * @module
 */

import type { Queue } from "../queue/queue.ts";

/** Most events in a batch: one fsync of the folder each. */
const MOST_EVENTS = 500;
/** Bytes after which a batch is full. */
const FULL_BYTES = 8 * 2 ** 20;

/** A batch on the disk. */
interface Stored {
  readonly path: string;
  /** Length of each event in it, in order. */
  readonly lengths: Uint32Array;
  readonly size: number;
}

/** Events in the order in which they were added. */
export class Spool {
  readonly #queue: Queue;
  readonly #stored: Stored[] = [];
  #batch: Uint8Array[] = [];
  #batchBytes = 0;

  /** Starts empty. */
  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /** Whether the events added since the last `take` fill a batch. */
  get isFull(): boolean {
    return this.#batch.length >= MOST_EVENTS || this.#batchBytes >= FULL_BYTES;
  }

  /** Add an event. */
  add(bytes: Uint8Array): void {
    this.#batch.push(bytes);
    this.#batchBytes += bytes.length;
  }

  /** Take the events that are in memory. */
  take(): readonly Uint8Array[] {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    return batch;
  }

  /**
   * Move the events that are in memory to the disk.
   *
   * @throws The disk's error.
   */
  async store(): Promise<void> {
    const size = this.#batchBytes;
    const batch = this.take();
    const bytes = new Uint8Array(size);
    let filled = 0;
    for (const event of batch) {
      bytes.set(event, filled);
      filled += event.length;
    }
    const { runtime, modes } = this.#queue.place;
    const path = this.#queue.path("tmp", this.#queue.nextTag());
    this.#stored.push({ path, size, lengths: Uint32Array.from(batch, (event) => event.length) });
    await runtime.disk.create(path, bytes, { mode: modes.file, durable: false });
  }

  /**
   * Take all events out again, a batch at a time.
   *
   * @throws The disk's error.
   */
  async *drain(): AsyncGenerator<readonly Uint8Array[], void> {
    for (let first; (first = this.#stored[0]) !== undefined;) {
      yield await this.#load(first);
      this.#stored.shift();
      await this.#remove(first);
    }
    const last = this.take();
    if (last.length > 0) yield last;
  }

  /** Forget all events. */
  async clear(): Promise<void> {
    this.take();
    for (const stored of this.#stored.splice(0)) await this.#remove(stored);
  }

  async #load({ path, lengths, size }: Stored): Promise<readonly Uint8Array[]> {
    const { bytes } = await this.#queue.place.runtime.disk.read(path, size);
    if (bytes?.length !== size) {
      throw new Error(`Cannot enqueue: ${path} must be as it was written, somebody changed it`);
    }
    let start = 0;
    return Array.from(lengths, (length) => bytes.subarray(start, start += length));
  }

  async #remove({ path }: Stored): Promise<void> {
    try {
      await this.#queue.place.runtime.disk.remove(path);
    } catch {
      // never made, or it resists: the sweep's to remove
    }
  }
}
