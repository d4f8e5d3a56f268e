/**
 * A queue for one test.
 *
 * @module
 */

import { Queue } from "../queue/queue.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** A queue in a directory of its own, which goes away with it. */
export interface TemporaryQueue extends AsyncDisposable {
  /** Its directory. */
  readonly path: string;
  /** The queue, open. */
  readonly queue: Queue;
  /** Remove it, with all that is in it. */
  remove(): void;
}

/** A directory to be removed. */
interface Directory {
  readonly path: string;
  remove(): void;
}

/** Make a queue in a directory; a failure removes it. */
export async function temporaryQueueIn(
  { path, remove }: Directory,
  runtime: Runtime,
): Promise<TemporaryQueue> {
  try {
    const queue = await Queue.open(path, runtime, { create: true });
    return { path, queue, remove, [Symbol.asyncDispose]: () => Promise.resolve(remove()) };
  } catch (error) {
    remove();
    throw error;
  }
}
