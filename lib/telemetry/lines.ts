/**
 * What is reported, as a line of JSON: the log's, with `--log-format json`, and the journal's.
 *
 * @module
 */

import type { TraceEvent } from "./trace.ts";

let [lastMs, lastTime] = [NaN, ""];

/** ISO 8601, UTC. Lines come in bunches: the last is kept. */
export function isoTime(ms: number): string {
  if (ms !== lastMs) [lastMs, lastTime] = [ms, new Date(ms).toISOString()];
  return lastTime;
}

/** The members of a JSON line after `time` and `event`. */
function jsonMembers(event: TraceEvent): Record<string, unknown> {
  switch (event.type) {
    case "delivered":
    case "deferred":
    case "dead": {
      const { id, destination, status, attempt, merged } = event;
      const ms = Math.round(event.ms);
      const members = { id, destination, outcome: event.type, status, attempt, ms, merged };
      if (event.type === "delivered") return members;
      const { reach, reason } = event;
      if (event.type === "dead") return { ...members, reach, reason };
      return { ...members, due: isoTime(event.dueMs), reach, reason };
    }
    case "released":
      return { id: event.id, due: isoTime(event.dueMs), reason: event.reason };
    case "taken-over":
      return { id: event.id, owner: event.owner, takeovers: event.takeovers };
    case "lease-lost":
      return { id: event.id, verb: event.verb };
    case "id-replaced":
      return { id: event.id, name: event.name };
    case "skipped":
      return { path: event.path, reason: event.reason, more: event.more };
    case "disk-trouble": {
      const { id, verb, code, reason, more } = event;
      return { id, verb, code, reason, more };
    }
    case "parked":
      return { id: event.id, destination: event.destination };
    case "kept":
      return { id: event.id };
    case "trace-failed":
      return { of: event.of, error: String(event.error) };
    case "lane": {
      const { destination, change, share, untilMs, reason } = event;
      return {
        destination,
        change,
        share: share === undefined ? undefined : Math.round(share * 100) / 100,
        until: untilMs === undefined ? undefined : isoTime(untilMs),
        reason,
      };
    }
  }
}

/**
 * One line of JSON, without its line break.
 *
 * @param more Members besides.
 */
export function jsonLine(
  event: TraceEvent,
  nowMs: number,
  more?: Readonly<Record<string, unknown>>,
): string {
  const members = jsonMembers(event);
  return JSON.stringify({ time: isoTime(nowMs), event: event.type, ...more, ...members });
}
