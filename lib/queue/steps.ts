/**
 * One piece of code for producers that can wait and producers that can't.
 *
 * A short-lived process must have its event on disk before it returns, so opening a queue and
 * enqueueing exist in a synchronous form. Both forms run the same generator of disk verbs; only the
 * driver differs.
 *
 * @module
 */

import type { Awaitable } from "../runtime/runtime.ts";

/** A sequence of disk verbs that ends in a `T`. */
export type Steps<T> = Generator<Awaitable<unknown>, T, unknown>;

/** One verb within {@linkcode Steps}: `const stat = yield* step(disk.lstat(path))`. */
export function* step<T>(value: Awaitable<T>): Steps<T> {
  return (yield value) as T;
}

/** Run steps on any disk. */
export async function run<T>(steps: Steps<T>): Promise<T> {
  let turn = steps.next();
  while (!turn.done) {
    let value: unknown;
    try {
      value = await turn.value;
    } catch (error) {
      turn = steps.throw(error);
      continue;
    }
    turn = steps.next(value);
  }
  return turn.value;
}

/**
 * Run steps on a blocking disk, without ever returning to the event loop.
 *
 * @throws {TypeError} If the disk answers with a promise.
 */
export function runSync<T>(steps: Steps<T>): T {
  let turn = steps.next();
  while (!turn.done) {
    const value = turn.value;
    if (!(value instanceof Promise)) {
      turn = steps.next(value);
      continue;
    }
    value.catch(() => {}); // nobody waits for it: its failure must not end the process
    turn = steps.throw(
      new TypeError(
        "Cannot go on synchronously: the disk must be a blocking one, it answered with a promise",
      ),
    );
  }
  return turn.value;
}
