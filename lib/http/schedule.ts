/**
 * When an event is tried again, and when it is given up: pure functions of numbers.
 *
 * The wait doubles with each attempt up to a cap, and chance takes up to half of it away, so that
 * events which failed together don't come back together. A server that asks for a longer wait gets
 * it, within reason.
 *
 * @module
 */

/**
 * Longest wait a server's `Retry-After` can ask for, in ms: 2 h. A slip of theirs must not park an
 * event for weeks.
 */
export const RETRY_AFTER_MAX_MS = 2 * 60 * 60 * 1000;

/**
 * Attempts that an event is owed whatever its age: one that sat in a stopped queue for days is not
 * given up unsent.
 */
export const ATTEMPTS_BEFORE_AGE_COUNTS = 3;

/** The part of a full wait that chance can't take away. */
const JITTER_FLOOR = 0.5;

/**
 * Doublings after which the wait no longer grows. Beyond any cap, and short of infinity, which
 * times a base of 0 is no number.
 */
const DOUBLINGS_MAX = 60;

/** How waits grow. */
export interface Backoff {
  /** Longest wait after the first attempt, ms. */
  readonly baseMs: number;
  /** Longest wait after any attempt, ms. */
  readonly capMs: number;
}

/** What the wait after a failed attempt depends on. */
export interface RetryDelayOptions extends Backoff {
  /** Number of the attempt that failed, from 1. */
  readonly attempt: number;
  /** Uniform in [0, 1). */
  readonly random: number;
  /** What the server asked for, ms; see {@linkcode parseRetryAfter}. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * How long to wait after a failed attempt, in whole ms: `min(cap, base × 2^(attempt−1))` times 0.5
 * to 1, or what the server asked for when that is longer, at most {@linkcode RETRY_AFTER_MAX_MS}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { retryDelayMs } from "./schedule.ts";
 *
 * assertEquals(retryDelayMs({ attempt: 3, random: 0.5, baseMs: 1_000, capMs: 600_000 }), 3_000);
 * ```
 */
export function retryDelayMs(options: RetryDelayOptions): number {
  const jitter = JITTER_FLOOR + (1 - JITTER_FLOOR) * options.random;
  const delayMs = Math.round(fullDelayMs(options.attempt, options) * jitter);
  return Math.max(delayMs, Math.min(options.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS));
}

/** The wait after an attempt before chance shortens it, ms. */
function fullDelayMs(attempt: number, { baseMs, capMs }: Backoff): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, DOUBLINGS_MAX));
}

const SECONDS = /^[+-]?\d+$/;
const WEEKDAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const TIME = "\\d\\d:\\d\\d:\\d\\d";

/** `Sun, 06 Nov 1994 08:49:37 GMT`, and what RFC 850 wrote: `Sunday, 06-Nov-94 08:49:37 GMT`. */
const DATE_WITH_ZONE = new RegExp(
  `^(?:${WEEKDAY}, \\d\\d ${MONTH} \\d{4}|[A-Z][a-z]+day, \\d\\d-${MONTH}-\\d\\d) ${TIME} GMT$`,
);

/** What C's asctime() writes: `Sun Nov  6 08:49:37 1994`. */
const DATE_WITHOUT_ZONE = new RegExp(`^${WEEKDAY} ${MONTH} [ \\d]\\d ${TIME} \\d{4}$`);

/**
 * The delay that a `Retry-After` header asks for, in ms from `nowMs`: seconds, or a date in one of
 * the three forms of HTTP (RFC 9110, sections 10.2.3 and 5.6.7).
 *
 * What lies in the past is 0, what lies beyond {@linkcode RETRY_AFTER_MAX_MS} is that.
 *
 * @param value The header's value; `null` when there is none.
 * @param nowMs Wall clock, Unix ms.
 * @returns `undefined` for no header, and for one that is neither.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseRetryAfter } from "./schedule.ts";
 *
 * assertEquals(parseRetryAfter("120", 0), 120_000);
 * assertEquals(parseRetryAfter("Thu, 01 Jan 1970 00:01:00 GMT", 15_000), 45_000);
 * assertEquals(parseRetryAfter("soon", 0), undefined);
 * ```
 */
export function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  const delayMs = SECONDS.test(text) ? Number(text) * 1000 : parseHttpDate(text) - nowMs;
  if (Number.isNaN(delayMs)) return undefined;
  return Math.min(Math.max(Math.ceil(delayMs), 0), RETRY_AFTER_MAX_MS);
}

/**
 * Unix ms; `NaN` for what is no date of HTTP. `Date.parse` alone would also take `1.5` and much
 * else for a date.
 */
function parseHttpDate(text: string): number {
  if (DATE_WITH_ZONE.test(text)) return Date.parse(text);
  return DATE_WITHOUT_ZONE.test(text) ? Date.parse(`${text} GMT`) : NaN;
}

/** What giving up depends on. */
export interface GivesUpOptions {
  /** Number of the attempt that was sent and has just failed, from 1. */
  readonly attempt: number;
  /** Age of the event, ms; `Infinity` when nothing tells. */
  readonly ageMs: number;
  /** Most attempts; off when `undefined`. */
  readonly maxAttempts?: number | undefined;
  /** Age from which on an event is given up, ms. */
  readonly maxAgeMs: number;
}

/**
 * Why an event whose attempt has just failed is given up; `undefined` when it is tried again.
 *
 * Only to be asked after an attempt that was sent. By age an event is given up only after
 * {@linkcode ATTEMPTS_BEFORE_AGE_COUNTS} attempts.
 */
export function givesUp(options: GivesUpOptions): string | undefined {
  const { attempt, ageMs, maxAttempts, maxAgeMs } = options;
  if (maxAttempts !== undefined && attempt >= maxAttempts) {
    return `given up after ${attempt} of at most ${maxAttempts} attempts`;
  }
  if (attempt >= ATTEMPTS_BEFORE_AGE_COUNTS && ageMs >= maxAgeMs) {
    return `given up after ${attempt} attempts at ${formatAge(ageMs)}, at most ${
      formatDuration(maxAgeMs)
    }`;
  }
  return undefined;
}

/** Such as `an age of 3d`. */
function formatAge(ms: number): string {
  return ms === Infinity
    ? "an age that its dates, which lie in the future, don't tell"
    : `an age of ${formatDuration(ms)}`;
}

/** When one attempt comes, if all before it failed. */
export interface RetryRow {
  /** Number of the attempt, from 2. */
  readonly attempt: number;
  /** Shortest wait since the one before, ms. */
  readonly earliestMs: number;
  /** Longest wait since the one before, ms. */
  readonly latestMs: number;
  /** Sum of the longest waits since the first attempt, ms. */
  readonly cumulativeLatestMs: number;
}

/**
 * The schedule without `Retry-After`, up to the first attempt whose wait no longer grows; all
 * further ones are like it.
 */
export function retryTable(backoff: Backoff): RetryRow[] {
  const rows: RetryRow[] = [];
  let cumulativeLatestMs = 0;
  for (let failed = 1, latestMs = -1; latestMs !== fullDelayMs(failed, backoff); failed++) {
    latestMs = fullDelayMs(failed, backoff);
    cumulativeLatestMs += latestMs;
    const earliestMs = Math.round(latestMs * JITTER_FLOOR);
    rows.push({ attempt: failed + 1, earliestMs, latestMs, cumulativeLatestMs });
  }
  return rows;
}

/** {@linkcode retryTable} as a Markdown table, which docs/delivery.md shows, and a line feed. */
export function retryTableMarkdown(backoff: Backoff): string {
  const rows = retryTable(backoff);
  const lines = rows.map((row, index) => {
    const attempt = index < rows.length - 1 ? `${row.attempt}` : `${row.attempt} and later`;
    const waits = [row.earliestMs, row.latestMs, row.cumulativeLatestMs].map(formatDuration);
    return `| ${[attempt, ...waits].join(" | ")} |`;
  });
  return [
    "| attempt | waits at least | waits at most | since the first at most |",
    "| --- | --- | --- | --- |",
    ...lines,
    "",
  ].join("\n");
}

const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
];

/** The largest unit that is not zero and the next one below, rounded down: `8m 32s`, `3d`. */
function formatDuration(ms: number): string {
  const largest = UNITS.findIndex(([, unit]) => ms >= unit);
  if (largest === -1) return "0s";
  const parts: string[] = [];
  let rest = ms;
  for (const [name, unit] of UNITS.slice(largest, largest + 2)) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) parts.push(`${count}${name}`);
  }
  return parts.join(" ");
}
