/**
 * Events that are delivered over HTTP from a directory: write a file, it gets delivered.
 *
 * A producer puts an event on the {@linkcode Queue}; a {@linkcode Consumer}, in this process or any
 * other, sends it and removes it when the endpoint has answered 2xx.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Consumer, openQueue } from "@optimizelyd/maildir";
 *
 * const endpoint = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) =>
 * {
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

import { Consumer as ConsumerOfStorage } from "./lib/consumer/consumer.ts";
import type { ConsumerOptions } from "./lib/config/consumer.ts";
import type { OpenOptions } from "./lib/queue/layout.ts";
import { Queue } from "./lib/queue/queue.ts";
import { Maildir } from "./lib/queue/store/maildir_store.ts";
import { thisRuntime } from "./lib/runtime/this.ts";
import {
  type EventDispatcher,
  eventDispatcherOn,
  type EventDispatcherOptions,
} from "./lib/sdk/dispatcher.ts";
import type { Storage } from "./lib/store/store.ts";

export { Consumer as StorageConsumer, type Mode, type Summary } from "./lib/consumer/consumer.ts";
export { DiskFailure } from "./lib/store/failure.ts";
export type {
  ConsumerOptions,
  ConsumerSettings,
  DestinationOptions,
} from "./lib/config/consumer.ts";
export type { Given } from "./lib/config/resolve.ts";
export {
  type DestinationSettings,
  type DestinationsGiven,
  type Live,
  type LiveOfDestinations,
  Settings,
} from "./lib/config/settings.ts";
export type { RequestOptions } from "./lib/config/destination_options.ts";
export type { Auth, AuthOptions } from "./lib/http/auth.ts";
export type { ReadSecret } from "./lib/http/credentials.ts";
export type { CompressOptions } from "./lib/http/compress.ts";
export type { DefaultsOptions } from "./lib/http/defaults.ts";
export type { OAuth2 } from "./lib/http/oauth2.ts";
export type { Sign, SignOptions } from "./lib/http/sign.ts";
export type {
  Deferred,
  Delivered,
  Died,
  DiskTrouble,
  IdReplaced,
  Kept,
  LaneChanged,
  LeaseLost,
  Parked,
  Released,
  Skipped,
  TakenOver,
  Trace,
  TraceEvent,
  TraceFailed,
} from "./lib/telemetry/trace.ts";
export type { Outcome } from "./lib/http/outcome.ts";
export type { TransportName } from "./lib/http/transport/options.ts";
export type { ConnectionOptions, ProxyOptions, TlsOptions } from "./lib/http/transport/terms.ts";
export { checkEvent, encodeEvent, type EventInput } from "./lib/event/encode.ts";
export type { Header } from "./lib/event/headers.ts";
export type { EventRequest } from "./lib/event/request.ts";
export { type Merger, type Part, scopeOf, utf8Bytes } from "./lib/merge/merger.ts";
export { optimizelyMerger } from "./lib/merge/optimizely.ts";
export { EnqueueError, type EnqueueOptions, EventExistsError } from "./lib/queue/enqueue.ts";
export { QueueFullError, type QueueLimits } from "./lib/queue/full.ts";
export { type Modes, NotAQueueError, type OpenOptions } from "./lib/queue/layout.ts";
export type { EventName, Fate } from "./lib/queue/name.ts";
export type { Ownership } from "./lib/queue/ownership.ts";
export type { Identity, Place } from "./lib/queue/place.ts";
export {
  type Claim,
  type Claimed,
  Queue,
  type Settled,
  type Settlement,
  type StoredResponse,
} from "./lib/queue/queue.ts";
export { Maildir } from "./lib/queue/store/maildir_store.ts";
export type {
  AnswerWriter,
  Candidate,
  Claim as StoreClaim,
  Claimed as StoreClaimed,
  ClaimedMany,
  Content,
  Deferred as DeferredOfDestination,
  Reason,
  Recorder,
  Settled as StoreSettled,
  Storage,
  Store,
  StoreLimits,
  StoreOptions,
  World,
} from "./lib/store/store.ts";
export type { Counts } from "./lib/telemetry/summary.ts";
export { hold, type HoldChange, resume } from "./lib/queue/hold.ts";
export { type Act, actOn, type ActOptions, type ActResult, settleActs } from "./lib/queue/acts.ts";
export type { DetailedEvent, EventDetail, EventState, FoundEvent } from "./lib/queue/find/event.ts";
export { type Filter, find, findNames, type FindProgress } from "./lib/queue/find/find.ts";
export {
  type JournalLine,
  journalLines,
  type JournalRange,
} from "./lib/queue/find/journal_reader.ts";
export { type Resolved, resolveIds } from "./lib/queue/find/resolve.ts";
export { type Amendment, requeueAmended } from "./lib/queue/amend.ts";
export type { Ids } from "./lib/queue/uuid.ts";
export { type RefusedLetter, requeue, type Requeued, RequeueError } from "./lib/queue/requeue.ts";
export type { Budget, ByteBudget } from "./lib/store/budget.ts";
export {
  type DestinationStatus,
  type QueueStatus,
  status,
  type StatusProgress,
} from "./lib/queue/status.ts";
export { examine, type Finding, type Findings, type Severity } from "./lib/queue/doctor/doctor.ts";
export { type KeptState, prune, type PruneOptions } from "./lib/queue/prune.ts";
export { type ParkedDestination, type Vitals, vitals } from "./lib/queue/vitals.ts";
export { asyncDisk, blockingDisk, denoRuntime } from "./lib/runtime/deno.ts";
export {
  type WorkerDisk,
  workerDisk,
  type WorkerDiskOptions,
} from "./lib/runtime/disk_thread/client.ts";
export { nodeDisk, nodeRuntime } from "./lib/runtime/node.ts";
export type {
  Awaitable,
  Certificate,
  CertificateLook,
  Clock,
  Connection,
  Connector,
  ConnectTo,
  CreateOptions,
  DirEntry,
  Disk,
  FetchTerms,
  FileContent,
  Kind,
  Listener,
  Lock,
  Lookup,
  Move,
  Room,
  Runtime,
  Stat,
  Taken,
  TlsTerms,
  Volume,
} from "./lib/runtime/runtime.ts";
export type {
  EventDispatcher,
  EventDispatcherOptions,
  SdkEvent,
  SdkResponse,
} from "./lib/sdk/dispatcher.ts";

/** Delivers the events of a queue. Several on one queue need no configuration. */
export class Consumer extends ConsumerOfStorage {
  /**
   * A consumer of a queue directory, or of another place that holds events.
   *
   * @throws {RangeError} If an option is out of its range or contradicts another.
   */
  constructor(queue: Queue | Storage, options?: ConsumerOptions) {
    // by what it can do: a test runner may have loaded its class twice
    super("connect" in queue ? queue : new Maildir(queue), options);
  }
}

/**
 * Open a queue directory in the runtime this process runs on, Deno or Node.
 *
 * @throws {NotAQueueError} If the directory isn't a queue, or is missing and may not be made.
 */
export function openQueue(baseDir: string, options?: OpenOptions): Promise<Queue> {
  return Queue.open(baseDir, thisRuntime(), options);
}

/**
 * An event dispatcher for the Optimizely SDKs, versions 4, 5 and 6, that puts their events on a
 * queue.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createEventDispatcher, openQueue, status } from "@optimizelyd/maildir";
 *
 * const baseDir = await Deno.makeTempDir();
 * const eventDispatcher = createEventDispatcher({
 *   baseDir,
 *   onError: (error) => console.error("an event was lost:", error),
 * });
 *
 * // What the SDK does with it:
 * const url = "https://logx.optimizely.com/v1/events";
 * const { statusCode } = await eventDispatcher.dispatchEvent({ url, httpVerb: "POST", params: {}
 * });
 *
 * assertEquals(statusCode, 204);
 * assertEquals((await status(await openQueue(baseDir))).ready, 1);
 * await Deno.remove(baseDir, { recursive: true });
 * ```
 *
 * @throws {TypeError} If an option can't be one. What the disk refuses goes to `onError` and to the
 * SDK as status 503 instead.
 */
export function createEventDispatcher(options: EventDispatcherOptions): EventDispatcher {
  return eventDispatcherOn(thisRuntime(), options);
}
