/**
 * Events in words and as JSON: what `list`, `show` and the verbs say of each in the same manner.
 *
 * @module
 */

import type { DetailedEvent, EventState, FoundEvent } from "../queue/find/event.ts";
import { isoTime } from "../telemetry/lines.ts";
import { formatEstimate } from "./progress.ts";

/** What the time in an event's name is, by its state. */
const TIME_OF: Readonly<Record<EventState, string>> = {
  ready: "due",
  claimed: "leaseEnd",
  deferred: "due",
  dead: "died",
  sent: "delivered",
};

/** How long ago, or in how long: `5m 3s`. */
export function span(ms: number): string {
  return formatEstimate(Math.abs(ms) / 1_000);
}

/** How old an event is, ms: of one that is over since when it is, else since it was put in. */
export function ageMs(
  { state, timeMs, enqueuedMs }: FoundEvent,
  nowMs: number,
): number | undefined {
  const sinceMs = state === "dead" || state === "sent" ? timeMs : enqueuedMs;
  return sinceMs === undefined ? undefined : Math.max(0, nowMs - sinceMs);
}

/** When a waiting event is tried next, in few words; `-` for one that doesn't wait. */
export function nextText({ state, timeMs = 0 }: FoundEvent, nowMs: number): string {
  if (state === "claimed") return "in flight";
  if (state !== "ready" && state !== "deferred") return "-";
  return timeMs > nowMs ? `in ${span(timeMs - nowMs)}` : "now";
}

/** An event as an object for JSON. */
export function eventMembers(event: DetailedEvent): Record<string, unknown> {
  const { id, state, destination, enqueuedMs, attempt, timeMs, status, reason } = event;
  return {
    id,
    state,
    destination,
    enqueued: enqueuedMs === undefined ? undefined : isoTime(enqueuedMs),
    attempts: attempt,
    [TIME_OF[state]]: timeMs === undefined ? undefined : isoTime(timeMs),
    status,
    reason,
    file: `${event.folder}/${event.name}`,
  };
}
