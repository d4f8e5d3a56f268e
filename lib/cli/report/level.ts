/**
 * How much what happened matters to whoever reads the log.
 *
 * @module
 */

import { type Level, LEVELS } from "../../config/consume_command.ts";
import type { TraceEvent } from "../../telemetry/trace.ts";

/** Whether what is of a level is wanted by who wants `least` and whatever matters more. */
export function isWanted(level: Level, least: Level): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf(least);
}

/** The level of something that happened. */
export function levelOf(event: TraceEvent): Level {
  switch (event.type) {
    case "disk-trouble":
    case "trace-failed":
      return "error";
    case "dead":
    case "taken-over":
    case "lease-lost":
    case "id-replaced":
    case "skipped":
      return "warn";
    case "delivered":
    case "deferred":
    case "released":
      return "info";
    case "parked":
    case "kept":
      return "debug";
    case "lane":
      return levelOfChange(event.change);
  }
}

function levelOfChange(change: (TraceEvent & { type: "lane" })["change"]): Level {
  switch (change) {
    case "opened":
    case "struggling":
    case "throttled":
      return "warn";
    case "probing":
    case "recovered":
    case "healthy":
    case "held":
    case "resumed":
    case "uncompressed":
      return "info";
  }
}
