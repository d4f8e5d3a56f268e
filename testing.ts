/**
 * What a test needs of a program that puts events on a queue: a queue that goes away, and the
 * deliveries of a real consumer to a function instead of the network.
 *
 * Works with any test runner, on Deno and Node.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { drain, expectDelivered, temporaryQueue } from "@optimizelyd/maildir/testing";
 *
 * await using temporary = await temporaryQueue();
 * const { queue } = temporary;
 *
 * // what is tested: something that puts events on the queue
 * await queue.enqueue({ url: "https://shop.example/hook", requestBody: { order: 1001 } });
 *
 * // the endpoint is out of order, and is tried again a minute later
 * const first = await drain(queue, () => 503);
 * assertEquals(first.deferred[0]?.reason, "the endpoint answered 503");
 * const second = await drain(queue, () => 200, { laterMs: 60_000 });
 * expectDelivered(second, [{ url: "https://shop.example/hook", requestBody: { order: 1001 } }]);
 * ```
 *
 * @module
 */

import { temporaryDirectory } from "./lib/runtime/temporary.ts";
import { thisRuntime } from "./lib/runtime/this.ts";
import { type TemporaryQueue, temporaryQueueIn } from "./lib/testing/temporary_queue.ts";

export {
  drain,
  type Drained,
  type DrainOptions,
  type Handler,
  type SentRequest,
  type Undelivered,
} from "./lib/testing/drain.ts";
export { expectDelivered, type ExpectedRequest } from "./lib/testing/expect_delivered.ts";
export type { TemporaryQueue };

/**
 * Make a queue in a temporary directory. Remove it at the end, or declare it with `await using`.
 *
 * @throws The system's error.
 */
export function temporaryQueue(): Promise<TemporaryQueue> {
  return temporaryQueueIn(temporaryDirectory(), thisRuntime());
}
