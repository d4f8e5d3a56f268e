/**
 * The options of `consume`: read, held to their limits and to each other.
 *
 * Limits that tie two numbers together exist because a queue that breaks them delivers twice or
 * never: a lease shorter than an attempt is taken over in the middle of it, one longer than the
 * format allows counts as ended.
 *
 * @module
 */

import { isLoopback, type ListenAddress, parseAddress } from "../accept/address.ts";
import type { Mode } from "../consumer/consumer.ts";
import type { Outcome } from "../http/outcome.ts";
import { LONGEST_MERGE_WAIT_MS } from "../consumer/options.ts";
import { encodeEventText } from "../event/encode.ts";
import type { Merger } from "../merge/merger.ts";
import { optimizelyMerger } from "../merge/optimizely.ts";
import { LONGEST_LEASE_MS, LONGEST_WAIT_MS } from "../queue/constants.ts";
import { UsageError } from "./args.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { quoted } from "./printable.ts";

/** How `consume` is to work. */
export interface ConsumeOptions {
  /** When to end. @default "forever" */
  readonly mode: Mode;
  /** Requests in flight at most. @default 64 */
  readonly threads: number;
  /** Requests in flight to one destination, always; 0 to adapt. @default 0 */
  readonly perDestination: number;
  /** Requests a second to one destination at most; `Infinity` for no limit. @default Infinity */
  readonly ratePerSecond: number;
  /** Longest duration of one attempt. @default 30 s */
  readonly timeoutMs: number;
  /** How long a claim is exclusive. @default timeoutMs + 30 s */
  readonly leaseMs: number;
  /** Attempts after which an event is given up; `undefined` for no limit. @default undefined */
  readonly maxAttempts: number | undefined;
  /** Age at which an event is given up. @default 72 h */
  readonly maxAgeMs: number;
  /** Delay after the first attempt, doubled after each further one. @default 1 s */
  readonly backoffBaseMs: number;
  /** Longest delay between two attempts. @default 10 min */
  readonly backoffCapMs: number;
  /** How long a graceful stop waits for what is in flight. @default 10 s */
  readonly graceMs: number;
  /** Largest event file. @default 4 MiB */
  readonly maxBytes: number;
  /** What to do about a status, instead of the table of outcomes. @default nothing */
  readonly onStatus: ReadonlyMap<number, Outcome>;
  /** Time between two looks at the folders when nothing tells of a change. @default 1 s */
  readonly pollMs: number;
  /** Whether the group may work on the queue as well, or only drop events. @default false */
  readonly group: boolean | "drop";
  /** How events are logged. @default "text" */
  readonly logFormat: "text" | "json";
  /** How several events become one request; `undefined` for each on its own. @default undefined */
  readonly merge: MergeOptions | undefined;
  /** Where to take events over HTTP; `undefined` for nowhere. @default undefined */
  readonly accept: AcceptOptions | undefined;
}

/** How several events become one request. */
export interface MergeOptions {
  /** The format of merged requests. */
  readonly merge: Merger;
  /** How long an event waits for others when the queue is short. @default 0 */
  readonly mergeWaitMs: number;
  /** Most events in a request. @default 50 */
  readonly mergeCount: number;
  /** Largest merged body, in bytes. @default 3,000,000 */
  readonly mergeBytes: number;
}

/** How events are taken over HTTP. */
export interface AcceptOptions {
  /** Where to listen. */
  readonly address: ListenAddress;
  /** Where events go from the queue. @default the endpoint of Optimizely's SDKs */
  readonly forwardTo: string;
}

/** Values of the options given, by name. */
type Given = ReadonlyMap<string, readonly string[]>;

/**
 * A lease outlives the timeout by at least this: a request starts only with 5 s to spare, and
 * settling takes time too.
 */
const LEAST_LEASE_MARGIN_MS = 10_000;
/** By how much it does unless told otherwise. */
const DEFAULT_LEASE_MARGIN_MS = 30_000;

const MOST_THREADS = 10_000;

const HOUR_MS = 3_600_000;
/** A century; every sum with the current time still fits the names. */
const LONGEST_AGE_MS = 36_500 * 86_400_000;

function wrong(name: string, must: string, text: string): UsageError {
  return new UsageError(`--${name} must be ${must}, current value is ${quoted(text)}`);
}

function readInteger(given: Given, name: string, least: number, most: number): number | undefined {
  const text = given.get(name)?.[0];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= least && value <= most) return value;
  throw wrong(name, `a whole number from ${least} to ${most}`, text);
}

function readDuration(given: Given, name: string, least: number, most: number): number | undefined {
  const text = given.get(name)?.[0];
  if (text === undefined) return undefined;
  const must = `a duration from ${formatDuration(least)} to ${formatDuration(most)}`;
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch (cause) {
    const error = wrong(name, `${must}, such as 250ms, 30s, 5m, 72h or 3d`, text);
    error.cause = cause;
    throw error;
  }
  if (ms >= least && ms <= most) return ms;
  throw wrong(name, must, text);
}

const RATE_UNIT_SECONDS: ReadonlyMap<string, number> = new Map([["s", 1], ["m", 60], ["h", 3_600]]);
const HIGHEST_RATE = 1_000_000;

/** Requests a second. */
function readRate(given: Given): number {
  const text = given.get("rate")?.[0];
  if (text === undefined) return Infinity;
  const [, digits, unit] = /^(\d{1,7})\/([smh])$/.exec(text) ?? [];
  const requests = Number(digits);
  if (requests >= 1 && requests <= HIGHEST_RATE) return requests / RATE_UNIT_SECONDS.get(unit!)!;
  throw wrong(
    "rate",
    `a whole number from 1 to ${HIGHEST_RATE} and its time, such as 100/s, 30/m or 500/h`,
    text,
  );
}

function readPerDestination(given: Given, threads: number): number {
  const value = readInteger(given, "per-destination", 1, MOST_THREADS) ?? 0;
  if (value <= threads) return value;
  throw new UsageError(
    `--per-destination must be at most --threads, current values are ${value} and ${threads}`,
  );
}

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
]);
const LARGEST_FILE_BYTES = 256 * 2 ** 20;

/**
 * Read `--max-bytes`, which is the consumer's and of those who ask beforehand what it will take.
 *
 * @throws {UsageError} On what isn't a size within its limits.
 */
export function readMaxBytes(given: Given): number {
  return readSize(given, "max-bytes", "4MiB");
}

function readSize(given: Given, name: string, standard: string): number {
  const text = given.get(name)?.[0] ?? standard;
  const [, digits, unit] = /^(\d{1,12})(KiB|MiB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * SIZE_UNITS.get(unit ?? "")!;
  if (bytes >= 1 && bytes <= LARGEST_FILE_BYTES) return bytes;
  throw wrong(name, "a number of bytes from 1 to 256MiB, such as 512KiB or 4MiB", text);
}

const OUTCOMES: ReadonlyMap<string, Outcome> = new Map([
  ["deliver", "delivered"],
  ["defer", "deferred"],
  ["refuse", "refused"],
]);

function readOnStatus(given: Given): ReadonlyMap<number, Outcome> {
  const table = new Map<number, Outcome>();
  for (const pair of given.get("on-status")?.[0]?.split(",") ?? []) {
    const [, digits, verb] = /^([2-5]\d\d)=(deliver|defer|refuse)$/.exec(pair) ?? [];
    const outcome = OUTCOMES.get(verb ?? "");
    if (outcome === undefined) {
      throw wrong(
        "on-status",
        "STATUS=OUTCOME pairs with a status from 200 to 599 and deliver, defer or refuse, " +
          "such as 404=defer,409=deliver",
        pair,
      );
    }
    const status = Number(digits);
    if (table.has(status)) throw new UsageError(`--on-status names ${status} twice`);
    table.set(status, outcome);
  }
  return table;
}

function readMode(given: Given): Mode {
  if (given.has("once") && given.has("until-empty")) {
    throw new UsageError("--once and --until-empty can't be used together");
  }
  return given.has("once") ? "once" : given.has("until-empty") ? "until-empty" : "forever";
}

const DEFAULT_FORWARD_TO = "https://logx.optimizely.com/v1/events";

function readForwardTo(given: Given): string {
  const url = given.get("forward-to")?.[0] ?? DEFAULT_FORWARD_TO;
  try {
    encodeEventText({ url, bodyText: "{}" });
    return url;
  } catch (error) {
    // the value isn't shown: it may hold a password
    const why = (error as Error).message.replace(/^Cannot encode the event: /, "");
    throw new UsageError(`--forward-to must be a URL that events can be sent to: ${why}`);
  }
}

function readAccept(given: Given): AcceptOptions | undefined {
  const text = given.get("accept")?.[0];
  if (text === undefined) {
    const orphan = ["forward-to", "accept-from-anywhere"].find((name) => given.has(name));
    if (orphan !== undefined) throw new UsageError(`--${orphan} needs --accept as well`);
    return undefined;
  }
  const ending = ["once", "until-empty"].find((name) => given.has(name));
  if (ending !== undefined) {
    throw new UsageError(`--accept and --${ending} can't be used together: it never ends`);
  }
  const address = parseAddress(text);
  if (address === undefined) {
    throw wrong(
      "accept",
      "an address and a port such as 127.0.0.1:8080, [::1]:8080 or localhost:8080",
      text,
    );
  }
  if (!isLoopback(address) && !given.has("accept-from-anywhere")) {
    throw new UsageError(
      `--accept must be a loopback address unless --accept-from-anywhere is given, current value is ${
        quoted(text)
      }`,
    );
  }
  return { address, forwardTo: readForwardTo(given) };
}

function readMerge(given: Given): MergeOptions | undefined {
  const name = given.get("merge")?.[0];
  if (name === undefined) {
    const orphan = ["merge-wait", "merge-count", "merge-bytes"].find((option) => given.has(option));
    if (orphan !== undefined) throw new UsageError(`--${orphan} needs --merge as well`);
    return undefined;
  }
  if (name !== "optimizely") throw wrong("merge", "optimizely", name);
  return {
    merge: optimizelyMerger(),
    mergeWaitMs: readDuration(given, "merge-wait", 0, LONGEST_MERGE_WAIT_MS) ?? 0,
    mergeCount: readInteger(given, "merge-count", 1, 10_000) ?? 50,
    mergeBytes: readSize(given, "merge-bytes", "3000000"),
  };
}

function readLogFormat(given: Given): "text" | "json" {
  const text = given.get("log-format")?.[0] ?? "text";
  if (text === "text" || text === "json") return text;
  throw wrong("log-format", "text or json", text);
}

/**
 * Read the options of `consume`.
 *
 * @throws {UsageError} On a value outside its limits, and on two that contradict each other: the
 * message names both.
 */
export function readConsumeOptions(given: Given): ConsumeOptions {
  const timeoutMs = readDuration(given, "timeout", 1, LONGEST_LEASE_MS) ?? 30_000;
  if (timeoutMs + DEFAULT_LEASE_MARGIN_MS > LONGEST_LEASE_MS) {
    throw new UsageError(
      `--timeout + ${formatDuration(DEFAULT_LEASE_MARGIN_MS)} must be at most the longest lease, ` +
        `current values are ${formatDuration(timeoutMs)} and ${formatDuration(LONGEST_LEASE_MS)}`,
    );
  }
  const leaseMs = readDuration(given, "lease", 1, LONGEST_LEASE_MS) ??
    timeoutMs + DEFAULT_LEASE_MARGIN_MS;
  if (leaseMs < timeoutMs + LEAST_LEASE_MARGIN_MS) {
    throw new UsageError(
      `--lease must be at least --timeout + ${formatDuration(LEAST_LEASE_MARGIN_MS)}, ` +
        `current values are ${formatDuration(leaseMs)} and ${formatDuration(timeoutMs)}`,
    );
  }
  const backoffBaseMs = readDuration(given, "backoff-base", 1, LONGEST_WAIT_MS) ?? 1_000;
  const backoffCapMs = readDuration(given, "backoff-cap", 1, LONGEST_WAIT_MS) ?? 600_000;
  if (backoffCapMs < backoffBaseMs) {
    throw new UsageError(
      "--backoff-cap must be at least --backoff-base, " +
        `current values are ${formatDuration(backoffCapMs)} and ${formatDuration(backoffBaseMs)}`,
    );
  }
  const threads = readInteger(given, "threads", 1, MOST_THREADS) ?? 64;
  return {
    mode: readMode(given),
    threads,
    perDestination: readPerDestination(given, threads),
    ratePerSecond: readRate(given),
    timeoutMs,
    leaseMs,
    maxAttempts: readInteger(given, "max-attempts", 1, 999_999),
    maxAgeMs: readDuration(given, "max-age", 1, LONGEST_AGE_MS) ?? 72 * HOUR_MS,
    backoffBaseMs,
    backoffCapMs,
    graceMs: readDuration(given, "grace", 0, HOUR_MS) ?? 10_000,
    maxBytes: readMaxBytes(given),
    onStatus: readOnStatus(given),
    pollMs: readDuration(given, "poll", 10, HOUR_MS) ?? 1_000,
    group: given.get("group")?.[0] === "drop" ? "drop" : given.has("group"),
    logFormat: readLogFormat(given),
    merge: readMerge(given),
    accept: readAccept(given),
  };
}
