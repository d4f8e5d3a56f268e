/**
 * The log: one line for each thing a consumer reports, for people (text) or for programs (JSON).
 *
 * A line is always exactly one line and moves no cursor, whatever a file is called and whatever an
 * endpoint answered. Text lines start with the same columns, `time event id destination status
 * attempt=N Nms`, so that `awk` gets along; what is missing is `-`. JSON lines start with `time`,
 * `event` and `level`.
 *
 * @module
 */

import type { Summary } from "../consumer/consumer.ts";
import type { Level } from "../config/consume_command.ts";
import { isoTime, jsonLine } from "../telemetry/lines.ts";
import type { Counts } from "../telemetry/summary.ts";
import type { TraceEvent } from "../telemetry/trace.ts";
import { formatDuration } from "../config/duration.ts";
import { printable, quoted, word } from "./printable.ts";
import { levelOf } from "./report/level.ts";
import type { TroubleCounts } from "./report/troubles.ts";

/**
 * `id destination status attempt=N Nms`, and `merged=N` where a request was shared, of the three
 * events that end an attempt.
 */
function attemptColumns(event: TraceEvent & { type: "delivered" | "deferred" | "dead" }): string {
  const destination = event.destination === undefined ? "-" : word(event.destination);
  return `${word(event.id)} ${destination} ${event.status ?? "-"} ` +
    `attempt=${event.attempt} ${Math.round(event.ms)}ms` +
    (event.merged === undefined ? "" : ` merged=${event.merged}`);
}

function textColumns(event: TraceEvent): string {
  switch (event.type) {
    case "delivered":
      return attemptColumns(event);
    case "deferred":
      return `${attemptColumns(event)}${reachColumn(event)} due=${isoTime(event.dueMs)} ` +
        `reason=${quoted(event.reason)}`;
    case "dead":
      return `${attemptColumns(event)}${reachColumn(event)} reason=${quoted(event.reason)}`;
    case "released":
      return `${word(event.id)} due=${isoTime(event.dueMs)} reason=${quoted(event.reason)}`;
    case "taken-over": {
      const owner = event.owner === undefined ? "-" : word(event.owner);
      return `${word(event.id)} owner=${owner} takeovers=${event.takeovers}`;
    }
    case "lease-lost":
      return `${word(event.id)} verb=${event.verb}`;
    case "id-replaced":
      return `${word(event.id)} name=${quoted(event.name)}`;
    case "skipped":
      return `${word(event.path)} reason=${quoted(event.reason)}${moreColumn(event.more)}`;
    case "disk-trouble":
      return `${event.id === undefined ? "-" : word(event.id)} verb=${quoted(event.verb)} ` +
        `code=${word(event.code)} reason=${quoted(event.reason)}${moreColumn(event.more)}`;
    case "parked":
      return `${word(event.id)} ${word(event.destination)}`;
    case "kept":
      return word(event.id);
    case "trace-failed":
      return `of=${event.of} error=${quoted(String(event.error))}`;
    case "lane":
      return `${word(event.destination)} ${event.change}` +
        (event.share === undefined ? "" : ` share=${percent(event.share)}`) +
        (event.untilMs === undefined ? "" : ` until=${isoTime(event.untilMs)}`) +
        (event.reason === undefined ? "" : ` reason=${quoted(event.reason)}`);
  }
}

/** A share of 0 to 1, such as `37%`. */
function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

/** Of an attempt without an answer, whether it was sent. */
function reachColumn({ reach }: { readonly reach?: string }): string {
  return reach === undefined ? "" : ` reach=${reach}`;
}

/** How many like it went untold. */
function moreColumn(more: number | undefined): string {
  return more === undefined ? "" : ` more=${more}`;
}

/** A JSON line of something that isn't a consumer's report. */
function record(
  event: string,
  level: Level,
  nowMs: number,
  members: Readonly<Record<string, unknown>>,
): string {
  return printable(JSON.stringify({ time: isoTime(nowMs), event, level, ...members }));
}

/**
 * One log line, without its line break.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const line = formatTrace(
 *   { type: "delivered", id: "a1", destination: "http_h_80", status: 204, attempt: 1, ms: 35 },
 *   1_795_294_104_123,
 *   "text",
 * );
 * assertEquals(line, "2026-11-21T20:48:24.123Z delivered a1 http_h_80 204 attempt=1 35ms");
 * ```
 */
export function formatTrace(event: TraceEvent, nowMs: number, format: "text" | "json"): string {
  if (format === "text") return `${isoTime(nowMs)} ${event.type} ${textColumns(event)}`;
  return printable(jsonLine(event, nowMs, { level: levelOf(event) }));
}

/** The log line with which a consumer begins, without its line break. */
export function formatStart(
  baseDir: string,
  workers: number,
  concurrency: number,
  transport: string,
  nowMs: number,
  format: "text" | "json",
): string {
  const time = isoTime(nowMs);
  if (format === "text") {
    const several = workers === 1 ? "" : ` workers=${workers}`;
    return `${time} started queue=${quoted(baseDir)}${several} concurrency=${concurrency} ` +
      `transport=${quoted(transport)}`;
  }
  return record("started", "info", nowMs, { queue: baseDir, workers, concurrency, transport });
}

/** The log line, as JSON, of a program that ends because something went wrong. */
export function formatFailed(message: string, code: number, nowMs: number): string {
  return record("failed", "error", nowMs, { code, message });
}

/** The log line for a worker, from 1 on, that ended before the others, without its line break. */
export function formatWorkerDied(
  worker: number,
  reason: string,
  nowMs: number,
  format: "text" | "json",
): string {
  const time = isoTime(nowMs);
  if (format === "text") return `${time} worker-died worker=${worker} reason=${quoted(reason)}`;
  return record("worker-died", "error", nowMs, { worker, reason });
}

/**
 * The log line with which accepting over HTTP begins, without its line break. User info in
 * `forwardTo` is left out.
 */
export function formatAccepting(
  url: string,
  forwardTo: string,
  nowMs: number,
  format: "text" | "json",
): string {
  const time = isoTime(nowMs);
  const { origin, pathname } = new URL(forwardTo);
  const shown = origin + pathname;
  if (format === "text") {
    return `${time} accepting url=${quoted(url)} forward-to=${quoted(shown)}`;
  }
  return record("accepting", "info", nowMs, { url, forwardTo: shown });
}

/**
 * The log line for a configuration that was read again, without its line break.
 *
 * @param stays Options that differ and can't change while the consumer runs.
 */
export function formatReloaded(
  config: string,
  stays: readonly string[],
  nowMs: number,
  format: "text" | "json",
): string {
  const time = isoTime(nowMs);
  if (format === "json") {
    return record("reloaded", "info", nowMs, { config, restart: stays });
  }
  const restart = stays.length === 0 ? "" : ` restart-for=${word(stays.join())}`;
  return `${time} reloaded config=${quoted(config)}${restart}`;
}

/** The log line for a configuration that can't be used, so that the one before stays. */
export function formatNotReloaded(
  reason: string,
  nowMs: number,
  format: "text" | "json",
): string {
  const time = isoTime(nowMs);
  if (format === "text") return `${time} not-reloaded reason=${quoted(reason)}`;
  return record("not-reloaded", "error", nowMs, { reason });
}

/** The log line for the signal that begins a graceful stop, without its line break. */
export function formatStop(graceMs: number, nowMs: number, format: "text" | "json"): string {
  const [time, grace] = [isoTime(nowMs), formatDuration(graceMs)];
  if (format === "text") return `${time} stopping grace=${grace}`;
  return record("stopping", "info", nowMs, { grace });
}

/** What was done in a while, and which destinations are in trouble at its end. */
export interface Interval {
  /** How long it was. */
  readonly ms: number;
  /** How often each came about. */
  readonly counts: Pick<Counts, "delivered" | "deferred" | "dead" | "released">;
  /** How many destinations are so. */
  readonly troubles: TroubleCounts;
}

/** The log line for all that was done in a while, without its line break. */
export function formatInterval(
  { ms, counts, troubles }: Interval,
  nowMs: number,
  format: "text" | "json",
): string {
  const { delivered, deferred, dead, released } = counts;
  const { down, held, throttled } = troubles;
  const members = { delivered, deferred, dead, released, down, held, throttled };
  if (format === "json") return record("summary", "info", nowMs, { ms, ...members });
  const columns = Object.entries(members).map(([name, count]) => `${name}=${count}`);
  return `${isoTime(nowMs)} summary of=${formatDuration(ms)} ${columns.join(" ")}`;
}

/**
 * The log line with which a consumer ends, without its line break: how often each came about.
 *
 * @param onlyHeld Whether all that is left waits for held destinations, which is why it ends.
 */
export function formatEnd(
  summary: Summary,
  onlyHeld: boolean,
  nowMs: number,
  format: "text" | "json",
): string {
  const time = isoTime(nowMs);
  const { delivered, deferred, dead, released } = summary;
  const left = onlyHeld ? "held" : undefined;
  if (format === "json") {
    return record("ended", "info", nowMs, { delivered, deferred, dead, released, left });
  }
  return `${time} ended delivered=${delivered} deferred=${deferred} dead=${dead} ` +
    `released=${released}${left === undefined ? "" : ` left=${left}`}`;
}
