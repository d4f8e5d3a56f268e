/**
 * The event dispatcher for the Optimizely SDKs: it spools where theirs sends.
 *
 * An SDK hands over `{url, httpVerb, params}` and wants to go on. So the event is on the disk when
 * `dispatchEvent` returns (a process may exit right after), nothing is ever thrown into the
 * application, and the SDK is always answered: versions 4 and 5 through a callback, without which
 * their `close()` never returns, version 6 through a promise.
 *
 * The event file says what every event file says, `{"url", "requestBody"}`: `requestBody` is the
 * JSON text of `params`, character for character what the SDK's own dispatcher would have sent.
 *
 * @module
 */

import { encodeEvent, type EventInput } from "../event/encode.ts";
import { QueueFullError, type QueueLimits } from "../queue/full.ts";
import { isMissing } from "../queue/place.ts";
import { Queue } from "../queue/queue.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** What an SDK hands to its event dispatcher. */
export interface SdkEvent {
  /** Where to send it. */
  readonly url: string;
  /** HTTP method; the SDKs use `POST`. */
  readonly httpVerb?: string;
  /** What to send. */
  readonly params?: unknown;
}

/** What an SDK hears of it. */
export interface SdkResponse {
  /**
   * 204: the event is on the queue. 500: it can't be sent, ever. 503: the disk refused it, or the
   * queue is full.
   */
  readonly statusCode: number;
}

/** An event dispatcher as versions 4, 5 and 6 of the SDK want it. */
export interface EventDispatcher {
  /**
   * Put an event on the queue; durable when this returns. Never throws, and the promise never
   * rejects.
   *
   * @param callback Called before this returns, in versions 4 and 5 of the SDK.
   */
  dispatchEvent(event: SdkEvent, callback?: (response: SdkResponse) => void): Promise<SdkResponse>;
}

/** How {@linkcode createEventDispatcher} works. */
export interface EventDispatcherOptions {
  /** The queue's directory. It is made where it is missing or empty. */
  readonly baseDir: string;
  /** Told of every event that is not on the queue, and why. @default {nobody} */
  readonly onError?: (error: unknown, event: SdkEvent) => void;
  /**
   * `"disk"`: on stable storage on return. `"os"`: a power cut may lose it, the end of the process
   * doesn't; several times faster.
   * @default {"disk"}
   */
  readonly durability?: "disk" | "os";
  /** How much may wait in the queue; above that events are refused. @default {no limits} */
  readonly limits?: QueueLimits;
}

const SPOOLED = 204;
const NOT_AN_EVENT = 500;
const REFUSED = 503;

function inputOf({ url, httpVerb, params }: SdkEvent): EventInput {
  const input = { url, requestBody: params };
  const isUsual = httpVerb === undefined || httpVerb === (params === undefined ? "GET" : "POST");
  return isUsual ? input : { ...input, method: httpVerb };
}

/**
 * An event dispatcher on a given runtime.
 *
 * @throws {TypeError} If `baseDir` or `durability` can't be one: told at the start, not at the
 * first event.
 */
export function eventDispatcherOn(
  runtime: Runtime,
  { baseDir, onError = () => {}, durability = "disk", limits }: EventDispatcherOptions,
): EventDispatcher {
  if (typeof baseDir !== "string" || baseDir === "") {
    throw new TypeError("Cannot create the event dispatcher: baseDir must be the queue's path");
  }
  if (durability !== "disk" && durability !== "os") {
    throw new TypeError(
      `Cannot create the event dispatcher: durability must be "disk" or "os", current value is ${
        JSON.stringify(durability)
      }`,
    );
  }
  let queue: Queue | undefined;

  function put(bytes: Uint8Array): void {
    queue ??= Queue.openSync(baseDir, runtime, { create: true, ...(limits && { limits }) });
    queue.enqueueSync(bytes, { durability });
  }

  function spool(event: SdkEvent): void {
    const bytes = encodeEvent(inputOf(event));
    const wasOpen = queue !== undefined;
    try {
      put(bytes);
    } catch (error) {
      if (error instanceof QueueFullError) throw error;
      queue = undefined; // opened anew for the next event: whatever is wrong may have been mended
      if (!wasOpen || !isMissing(error)) throw error;
      put(bytes); // somebody removed the whole directory
    }
  }

  function report(error: unknown, event: SdkEvent): void {
    try {
      onError(error, event);
    } catch {
      // nothing reaches the application from here
    }
  }

  function dispatch(event: SdkEvent): SdkResponse {
    try {
      spool(event);
      return { statusCode: SPOOLED };
    } catch (error) {
      report(error, event);
      return { statusCode: error instanceof TypeError ? NOT_AN_EVENT : REFUSED };
    }
  }

  return {
    // a property, not a method that needs its `this`: SDKs and applications pass it on by itself
    dispatchEvent: (event, callback) => {
      const response = dispatch(event);
      try {
        callback?.(response);
      } catch (error) {
        report(error, event);
      }
      return Promise.resolve(response);
    },
  };
}
