/**
 * What a consumer can be told, and which values go together.
 *
 * @module
 */

import type { Outcome } from "../http/outcome.ts";
import type { Merger } from "../merge/merger.ts";
import { LEASE_MARGIN_MS, LONGEST_LEASE_MS, LONGEST_WAIT_MS } from "../store/limits.ts";
import type { Trace } from "../telemetry/trace.ts";

/** Options of a consumer. */
export interface ConsumerOptions {
  /** Requests in flight at most. @default {64} */
  readonly threads?: number;
  /** Requests in flight to one destination, always; adapts when not set. @default {0} (adapts) */
  readonly perDestination?: number;
  /** Requests a second to one destination at most. @default {Infinity} */
  readonly ratePerSecond?: number;
  /** Time limit of one attempt, response included. @default {30_000} */
  readonly timeoutMs?: number;
  /**
   * How long a claim is exclusive; at least the timeout and 10 s, at most 1 h. @default {timeoutMs
   * + 30_000}
   */
  readonly leaseMs?: number;
  /** Attempts after which an event is given up. @default {Infinity} */
  readonly maxAttempts?: number;
  /**
   * Age after which an event is given up, after 3 attempts at least. @default {259_200_000} (72 h)
   */
  readonly maxAgeMs?: number;
  /** Delay before the second attempt, before jitter. @default {1_000} */
  readonly backoffBaseMs?: number;
  /** Longest delay before an attempt, before jitter. @default {600_000} */
  readonly backoffCapMs?: number;
  /** How long a stop waits for what is in flight. @default {10_000} */
  readonly graceMs?: number;
  /** Largest event file. @default {4_194_304} */
  readonly maxBytes?: number;
  /** Exceptions from the status table. @default {none} */
  readonly onStatus?: ReadonlyMap<number, Outcome>;
  /**
   * Makes one request of several events to one destination that allow it. @default {undefined}
   * (each event is a request)
   */
  readonly merge?: Merger | undefined;
  /** Most events in a merged request. @default {50} */
  readonly mergeCount?: number;
  /**
   * Largest body of a merged request, in bytes; an event that is larger goes alone. @default
   * {3_000_000}
   */
  readonly mergeBytes?: number;
  /** How long an event waits for others when the queue is short; at most 60 s. @default {0} */
  readonly mergeWaitMs?: number;
  /** How often the folders are looked at when nothing tells of a change. @default {1_000} */
  readonly pollMs?: number;
  /** Told of everything that happens. */
  readonly trace?: Trace;
}

/** A value that may change while it is used; what begins next uses what is current then. */
export interface Live<T> {
  /** As it is now. */
  readonly current: T;
}

/** {@linkcode ConsumerOptions}, all there. */
export type ResolvedOptions = Required<ConsumerOptions>;

/** A lease must leave this much beside the timeout for everything that isn't the request. */
const SHORTEST_SPARE_MS = 2 * LEASE_MARGIN_MS;

/** Longest wait for others to merge with. */
export const LONGEST_MERGE_WAIT_MS = 60_000;

function requireThat(holds: boolean, what: string, must: string, value: unknown): void {
  if (!holds) {
    throw new RangeError(`Cannot consume: ${what} must be ${must}, current value is ${value}`);
  }
}

function requireWhole(value: number, what: string, least: number): void {
  requireThat(
    Number.isInteger(value) && value >= least,
    what,
    `a whole number of at least ${least}`,
    value,
  );
}

/**
 * Fill in the defaults and check what goes together.
 *
 * @throws {RangeError} If a value is out of its range, or two contradict each other; it names both.
 */
export function resolveOptions(options: ConsumerOptions): ResolvedOptions {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const resolved: ResolvedOptions = {
    threads: options.threads ?? 64,
    perDestination: options.perDestination ?? 0,
    ratePerSecond: options.ratePerSecond ?? Infinity,
    timeoutMs,
    leaseMs: options.leaseMs ?? timeoutMs + 30_000,
    maxAttempts: options.maxAttempts ?? Infinity,
    maxAgeMs: options.maxAgeMs ?? 72 * 60 * 60_000,
    backoffBaseMs: options.backoffBaseMs ?? 1_000,
    backoffCapMs: options.backoffCapMs ?? 600_000,
    graceMs: options.graceMs ?? 10_000,
    maxBytes: options.maxBytes ?? 4 * 1024 * 1024,
    onStatus: options.onStatus ?? new Map(),
    merge: options.merge,
    mergeCount: options.mergeCount ?? 50,
    mergeBytes: options.mergeBytes ?? 3_000_000,
    mergeWaitMs: options.mergeWaitMs ?? 0,
    pollMs: options.pollMs ?? 1_000,
    trace: options.trace ?? (() => {}),
  };
  requireWhole(resolved.threads, "threads", 1);
  requireWhole(resolved.perDestination, "perDestination", 0);
  requireThat(
    resolved.ratePerSecond > 0,
    "ratePerSecond",
    "greater than 0",
    resolved.ratePerSecond,
  );
  requireWhole(resolved.timeoutMs, "timeoutMs", 1);
  requireWhole(resolved.graceMs, "graceMs", 0);
  requireWhole(resolved.maxBytes, "maxBytes", 1);
  requireWhole(resolved.pollMs, "pollMs", 1);
  requireWhole(resolved.mergeCount, "mergeCount", 1);
  requireWhole(resolved.mergeBytes, "mergeBytes", 1);
  requireWhole(resolved.mergeWaitMs, "mergeWaitMs", 0);
  requireThat(
    resolved.mergeWaitMs <= LONGEST_MERGE_WAIT_MS,
    "mergeWaitMs",
    `at most 60 s (${LONGEST_MERGE_WAIT_MS})`,
    resolved.mergeWaitMs,
  );
  requireWhole(resolved.backoffBaseMs, "backoffBaseMs", 1);
  requireWhole(resolved.maxAgeMs, "maxAgeMs", 1);
  if (resolved.maxAttempts !== Infinity) requireWhole(resolved.maxAttempts, "maxAttempts", 1);
  const shortest = timeoutMs + SHORTEST_SPARE_MS;
  requireThat(
    resolved.leaseMs >= shortest,
    "leaseMs",
    `at least timeoutMs + 10 s (${shortest})`,
    resolved.leaseMs,
  );
  requireThat(
    resolved.leaseMs <= LONGEST_LEASE_MS,
    "leaseMs",
    `at most 1 h (${LONGEST_LEASE_MS})`,
    resolved.leaseMs,
  );
  const { backoffBaseMs, backoffCapMs } = resolved;
  requireThat(
    backoffCapMs >= backoffBaseMs,
    "backoffCapMs",
    `at least backoffBaseMs (${backoffBaseMs})`,
    backoffCapMs,
  );
  requireThat(
    backoffCapMs <= LONGEST_WAIT_MS,
    "backoffCapMs",
    `at most 7 d (${LONGEST_WAIT_MS})`,
    backoffCapMs,
  );
  return resolved;
}
