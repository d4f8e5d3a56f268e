/**
 * Events that are delivered over HTTP from a directory: write a file, it gets delivered.
 *
 * A producer puts an event on the {@linkcode Queue}; a {@linkcode Consumer}, in this process or any other, sends it and removes
 * it when the endpoint has answered 2xx.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Consumer, openQueue } from "@optimizelyd/maildir";
 *
 * const endpoint = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
 *   assertEquals(await request.json(), { hello: "world" });
 *   return new Response(null, { status: 204 });
 * });
 * const url = `http://127.0.0.1:${endpoint.addr.port}/`;
 * const dir = await Deno.makeTempDir();
 *
 * const queue = await openQueue(dir, { create: true });
 * await queue.enqueue({ url, requestBody: { hello: "world" } }); // durable when this resolves
 *
 * const { delivered } = await new Consumer(queue).run("until-empty");
 * assertEquals(delivered, 1);
 *
 * await endpoint.shutdown();
 * await Deno.remove(dir, { recursive: true });
 * ```
 *
 * @module
 */

import type { OpenOptions } from "./lib/queue/layout.ts";
import { Queue } from "./lib/queue/queue.ts";
import { thisRuntime } from "./lib/runtime/this.ts";

export { Consumer, type Mode, type Summary } from "./lib/consumer/consumer.ts";
export { DiskFailure } from "./lib/consumer/failure.ts";
export type { ConsumerOptions } from "./lib/consumer/options.ts";
export type {
  Deferred,
  Delivered,
  Died,
  DiskTrouble,
  IdReplaced,
  LeaseLost,
  Released,
  Skipped,
  TakenOver,
  Trace,
  TraceEvent,
} from "./lib/consumer/trace.ts";
export type { Ending } from "./lib/consumer/delivery.ts";
export type { Outcome } from "./lib/delivery/outcome.ts";
export { checkEvent, encodeEvent, type EventInput } from "./lib/event/encode.ts";
export { EnqueueError, type EnqueueOptions, EventExistsError } from "./lib/queue/enqueue.ts";
export { type Modes, NotAQueueError, type OpenOptions } from "./lib/queue/layout.ts";
export type { EventName } from "./lib/queue/name.ts";
export type { Place } from "./lib/queue/place.ts";
export {
  type Claim,
  Queue,
  type Reason,
  type Settled,
  type Settlement,
  type StoredResponse,
} from "./lib/queue/queue.ts";
export { requeue, type Requeued } from "./lib/queue/requeue.ts";
export { type DestinationStatus, type QueueStatus, status } from "./lib/queue/status.ts";
export { asyncDisk, blockingDisk, denoRuntime } from "./lib/runtime/deno.ts";
export { nodeDisk, nodeRuntime } from "./lib/runtime/node.ts";
export type {
  Awaitable,
  Clock,
  CreateOptions,
  DirEntry,
  Disk,
  FileContent,
  Kind,
  Lock,
  Runtime,
  Stat,
} from "./lib/runtime/runtime.ts";

/**
 * Open a queue directory in the runtime this process runs on, Deno or Node.
 *
 * @throws {NotAQueueError} If the directory isn't a queue, or is missing and may not be made.
 */
export function openQueue(baseDir: string, options?: OpenOptions): Promise<Queue> {
  return Queue.open(baseDir, thisRuntime(), options);
}
