/**
 * What a store or a consumer has to say beside the fate of events: what the disk refuses, and what
 * is left alone. Told once, and then counted: a folder of a million symlinks is no reason for a
 * million lines.
 *
 * @module
 */

import { type Clock, errorCode } from "../runtime/runtime.ts";
import type { Trace } from "./trace.ts";

/** Most paths remembered as told; what comes beyond them is only counted. */
const MOST_PATHS = 10_000;

/** Of one kind of trouble this many are told in a minute; the others are counted. */
const MOST_A_MINUTE = 20;
const MINUTE_MS = 60_000;

/** How often one kind of trouble was told and counted. */
interface Count {
  /** Since when, monotonic ms. */
  sinceMs: number;
  told: number;
  /** Not told since. */
  more: number;
}

/** Tells the trace. */
export class Reporter {
  readonly #trace: Trace;
  readonly #clock: Clock;
  readonly #paths = new Set<string>();
  readonly #counts = new Map<string, Count>();

  /** @param trace Where to. */
  constructor(trace: Trace, clock: Clock) {
    this.#trace = trace;
    this.#clock = clock;
  }

  /**
   * Report what the disk refused, and what that means.
   *
   * @param id Of the event it means that for.
   * @throws What isn't a disk's error: a bug.
   */
  trouble(verb: string, error: unknown, reason: string, id?: string): void {
    const code = errorCode(error);
    if (code === undefined) throw error;
    this.refused(verb, code, reason, id);
  }

  /** Report the same of an error of which only the code is known. */
  refused(verb: string, code: string, reason: string, id?: string): void {
    const more = this.#count(`${verb} ${code} ${reason}`);
    if (more === undefined) return;
    const event = id === undefined ? {} : { id };
    const times = more === 0 ? {} : { more };
    this.#trace({ type: "disk-trouble", verb, code, reason, ...event, ...times });
  }

  /** Report a path that is left alone, once. */
  skipped(path: string, reason: string): void {
    if (this.#paths.has(path)) return;
    if (this.#paths.size < MOST_PATHS) this.#paths.add(path);
    const more = this.#count(`skipped ${reason}`);
    if (more === undefined) return;
    this.#trace({ type: "skipped", path, reason, ...(more === 0 ? {} : { more }) });
  }

  /** How many of a kind have gone untold, when it is told now; `undefined` when it is not. */
  #count(kind: string): number | undefined {
    const nowMs = this.#clock.monotonic();
    let count = this.#counts.get(kind);
    if (!count) {
      if (this.#counts.size >= MOST_PATHS) this.#counts.clear();
      this.#counts.set(kind, count = { sinceMs: nowMs, told: 0, more: 0 });
    }
    if (nowMs - count.sinceMs >= MINUTE_MS) {
      count.sinceMs = nowMs;
      count.told = 0;
    }
    if (count.told >= MOST_A_MINUTE) {
      count.more++;
      return undefined;
    }
    count.told++;
    const { more } = count;
    count.more = 0;
    return more;
  }
}
