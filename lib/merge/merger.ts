/**
 * Merging: several events become one request, where an endpoint takes several at once.
 *
 * A {@linkcode Merger} knows one format of such requests, and nothing of queues, limits or time:
 * which events may go together, and what they look like together. Another format, such as a JSON
 * array or NDJSON, is one more file with one more of these.
 *
 * @module
 */

import type { EventRequest } from "../event/request.ts";

/** What an event brings to a merged request. */
export interface Part {
  /**
   * Events with equal keys may go together; it covers all that the merged request has only once.
   */
  readonly key: string;
  /** Its own text in the merged body. */
  readonly text: string;
  /** Size of its text in the merged body, in bytes, with what separates it from the next. */
  readonly bytes: number;
  /** Size of the rest of the merged body, in bytes; of the first event's counts. */
  readonly frameBytes: number;
}

/** One format of merged requests. Pure. */
export interface Merger {
  /** Its name, as in `--merge NAME`. */
  readonly name: string;
  /** What an event brings; `undefined` for one that goes alone. */
  partOf(request: EventRequest): Part | undefined;
  /**
   * The request for events that share a key, in this order.
   *
   * @param first The request of the first of them.
   * @param parts Of all of them, at least two.
   */
  merge(first: EventRequest, parts: readonly Part[]): EventRequest;
}

/** Headers that say something of one body, or of one request: an event that sets one goes alone. */
const OF_ONE_REQUEST: ReadonlySet<string> = new Set([
  "content-digest",
  "content-encoding",
  "content-md5",
  "content-range",
  "digest",
  "idempotency-key",
  "repr-digest",
  "signature",
  "signature-input",
]);

/**
 * What must be equal of two requests before anything of their bodies is compared: method, URL and
 * headers, whose order doesn't count.
 *
 * @returns `undefined` when the request has no body, or a header that belongs to it alone.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { scopeOf } from "./merger.ts";
 *
 * const request = { url: new URL("https://a.example/"), method: "POST", headers: [], body: "{}" };
 * assertEquals(scopeOf(request), "POST https://a.example/");
 * assertEquals(scopeOf({ ...request, headers: [["idempotency-key", "mine"]] }), undefined);
 * ```
 */
export function scopeOf({ url, method, headers, body }: EventRequest): string | undefined {
  if (body === undefined) return undefined;
  const scope = `${method} ${url.href}`;
  if (headers.length === 0) return scope;
  if (headers.some(([name]) => OF_ONE_REQUEST.has(name))) return undefined;
  // a value has no line break in it
  return `${scope}\n${headers.map(([name, value]) => `${name}:${value}`).sort().join("\n")}`;
}

const utf8 = new TextEncoder();

/** Size of a text in UTF-8, in bytes. */
export function utf8Bytes(text: string): number {
  return utf8.encode(text).length;
}
