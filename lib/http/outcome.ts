/**
 * What an HTTP status means for an event: one table, from which operators may depart.
 *
 * @module
 */

/** What came of an attempt: done, again later, or never. */
export type Outcome = "delivered" | "deferred" | "refused";

/**
 * The statuses of 4xx that say nothing against the event, so it waits: the operator's to mend
 * (credentials), or a matter of time.
 */
const DEFERRED_4XX: ReadonlySet<number> = new Set([
  401, // Unauthorized
  403, // Forbidden
  407, // Proxy Authentication Required
  408, // Request Timeout
  425, // Too Early, RFC 8470
  429, // Too Many Requests, RFC 6585
]);

/**
 * The outcome of an attempt that was answered with `status`, unless `overrides` has another for it.
 *
 * 2xx is delivered and 4xx refused, but for credentials and matters of time. All else is deferred:
 * 5xx, redirects, which are never followed, and what is no final answer to a request (1xx, or no
 * status of HTTP at all), for that is no word about the event, and waiting loses nothing.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { outcomeOfStatus } from "./outcome.ts";
 *
 * assertEquals(outcomeOfStatus(404), "refused");
 * assertEquals(outcomeOfStatus(404, new Map([[404, "deferred"]])), "deferred");
 * ```
 */
export function outcomeOfStatus(
  status: number,
  overrides?: ReadonlyMap<number, Outcome>,
): Outcome {
  return overrides?.get(status) ?? outcomeByDefault(status);
}

function outcomeByDefault(status: number): Outcome {
  if (status >= 200 && status < 300) return "delivered";
  if (status >= 400 && status < 500 && !DEFERRED_4XX.has(status)) return "refused";
  return "deferred";
}
